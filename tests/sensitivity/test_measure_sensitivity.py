"""Measuring: dead units cost nothing, needed ones do; what is known is not measured again, whatever has happened."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from networks import Net, edit, other_weights, unprunable, write
from surveys import DEAD, NEEDED, drops, half_dead, samples, surveyed

from onnxprune.apply import apply_masks
from onnxprune.axes import Mask
from onnxprune.calibrate import Calibration
from onnxprune.errors import ModelError, OutputError, UnsupportedError, UsageError
from onnxprune.evaluate import Judge
from onnxprune.model import Model
from onnxprune.options import DataOptions, Options
from onnxprune.phases import Phases
from onnxprune.sensitivity import ledger, load_sensitivity
from onnxprune.sensitivity.candidates import AMOUNTS, Grid, candidates_of, subjects_of
from onnxprune.sensitivity.gauge import Gauge, measure_in_processes
from onnxprune.sensitivity.look import look_at
from onnxprune.sensitivity.measure import measure_sensitivity
from onnxprune.tracing import trace


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(half_dead(), tmp_path / "net.onnx")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.sensitivity.json"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """What is measured from now on: how many units of each dim stay."""
    calls: list[dict[str, int]] = []
    real = Gauge.drop

    def drop(self: Gauge, masks: Mapping[str, Mask]) -> float:
        calls.append({name: int(mask.sum()) for name, mask in masks.items()})
        return real(self, masks)

    monkeypatch.setattr(Gauge, "drop", drop)
    return calls


def test_a_dead_half_costs_nothing_and_needed_units_do() -> None:
    found = drops(surveyed().dims)
    assert found[DEAD][:5] == pytest.approx([0] * 5, abs=1e-6)
    assert found[DEAD][5] > 0.01 and min(found[NEEDED]) > 0.01


@pytest.mark.parametrize("criterion", ["auto", "wanda"])
def test_criteria_that_look_at_samples_find_the_dead_half(criterion: str) -> None:
    found = surveyed(criterion=criterion, grid=Grid((0.5, 0.75)))
    assert found.request["criterion"] == ("obs" if criterion == "auto" else criterion)
    half, more = drops(found.dims)[DEAD]
    assert half == pytest.approx(0, abs=1e-6) and more > 0.01


def test_a_drop_is_that_of_the_model_which_lost_the_least_salient_units() -> None:
    model = Model(half_dead())
    found = trace(model)
    dim = next(dim for dim, name in found.names.items() if name == NEEDED)
    weakest = np.argsort(look_at(model, Options(criterion="l2"), samples(), Phases()).saliency[dim])[:4]
    pruned, _ = apply_masks(found, {dim: ~np.isin(np.arange(8), weakest)})
    expected = Judge(model, samples(), "relative-error").judge(pruned).drop
    assert drops(surveyed(grid=Grid((0.5,))).dims)[NEEDED] == pytest.approx([expected], rel=1e-5)


def test_what_was_measured_says_of_which_model_how_and_by_what(model: Path, path: Path) -> None:
    found = surveyed(model, path=path, seed=3)
    assert found == load_sensitivity(path)
    assert found.model == {"file": "net.onnx", "sha256": Model.load(model).sha256}
    assert found.metrics == {"fc": "relative-error"}
    assert {"criterion": "l2", "metric": "relative-error", "seed": 3}.items() <= found.request.items()
    assert found.request["samples"]["count"] == 16
    assert [(curve.name, curve.size) for curve in found.dims] == [(NEEDED, 8), (DEAD, 12)]
    assert "fc.weight[1]" in found.dims[1].members and not found.blocks
    assert [tuple(point.amount for point in curve.points) for curve in found.dims] == [AMOUNTS] * 2
    assert [point.kept for point in found.dims[0].points] == [7, 6, 6, 5, 4, 3, 2, 2, 1]


def test_labels_are_gone_by_where_there_are_any() -> None:
    model, given = Model(half_dead()), samples()
    labelled = replace(given, labels=np.arange(16) % 4)
    found = measure_sensitivity(model, Options(criterion="l2"), labelled, Grid((0.5,)))
    assert found.metrics == {"fc": "accuracy"} and found.request["metric"] == "accuracy"


def test_made_up_samples_will_do() -> None:
    found = measure_sensitivity(Model(half_dead()), Options(), DataOptions(samples=8), Grid((0.5,)))
    assert found.request["samples"]["count"] == 8 and "synthetic" in found.request["samples"]["source"]


def test_blocks_and_dims_can_be_measured_together() -> None:
    found = surveyed(grid=Grid((0.5,), "both"))
    assert drops(found.dims) == drops(found.blocks)  # no name in this network speaks of a block
    assert [curve.members for curve in found.blocks] == [(NEEDED,), (DEAD,)]


def test_include_and_exclude_say_what_is_measured() -> None:
    half = Grid((0.5,))
    assert list(drops(surveyed(grid=half, include=("fc*",)).dims)) == [DEAD]
    assert list(drops(surveyed(grid=half, exclude=("fc*",)).dims)) == [NEEDED]


def test_a_model_without_dims_has_nothing_to_measure(path: Path) -> None:
    found = measure_sensitivity(Model(unprunable()), Options(criterion="l2"), samples(2), path=path)
    assert found.dims == found.blocks == () and not path.exists()


def balanced() -> onnx.ModelProto:
    """exp(200 - 199), of which each number comes from one unit: without the second, it overflows."""
    net = Net(batch="N")
    net.head(net.conv("conv1", "x", 2))
    proto = net.model(net.node("Exp", ["fc"], "exp"))
    for name, value in {"conv1.weight": 0, "conv1.bias": 1, "fc.weight": (-199, 200), "fc.bias": 0}.items():
        proto = edit(proto, name, partial(np.full_like, fill_value=value))
    return proto


# Going on


def test_the_same_request_is_answered_from_the_file(model: Path, path: Path, measured: list[dict[str, int]]) -> None:
    first = surveyed(model, path=path)
    before = path.read_bytes()
    measured.clear()
    assert surveyed(model, path=path) == first
    assert measured == [] and path.read_bytes() == before


def test_only_what_is_missing_is_measured(model: Path, path: Path, measured: list[dict[str, int]]) -> None:
    surveyed(model, Grid((0.25, 0.5)), path=path, exclude=("fc*",))
    assert measured == [{NEEDED: 6}, {NEEDED: 4}]
    measured.clear()
    found = surveyed(model, Grid((0.5, 0.75)), path=path)
    assert measured == [{NEEDED: 2}, {DEAD: 6}, {DEAD: 3}]
    amounts = {curve.name: [point.amount for point in curve.points] for curve in found.dims}
    assert amounts == {NEEDED: [0.25, 0.5, 0.75], DEAD: [0.5, 0.75]}


def test_amounts_that_take_no_unit_are_not_run(measured: list[dict[str, int]]) -> None:
    found = surveyed(grid=Grid((0.01,)))
    assert measured == [] and drops(found.dims) == {NEEDED: [0.0], DEAD: [0.0]}


def test_an_interrupted_run_leaves_what_it_did_and_the_next_one_goes_on(
    model: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = surveyed(model, path=tmp_path / "whole.json")
    real, calls = Gauge.drop, [0]

    def drop(self: Gauge, masks: Mapping[str, Mask]) -> float:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return real(self, masks)

    monkeypatch.setattr(Gauge, "drop", drop)
    with pytest.raises(KeyboardInterrupt):
        surveyed(model, path=path)
    # Three widths, of which the second stands for two amounts: 0.2 and 0.3 of 8 units.
    assert [len(curve.points) for curve in load_sensitivity(path).dims] == [4]
    assert surveyed(model, path=path) == whole
    assert path.read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert calls[0] == 4 + len({p.kept for p in whole.dims[0].points}) + len({p.kept for p in whole.dims[1].points}) - 3


def test_the_file_is_written_while_measuring(model: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "SECONDS", 0.0)
    real, there = Gauge.drop, list[int]()

    def drop(self: Gauge, masks: Mapping[str, Mask]) -> float:
        there.append(sum(len(curve.points) for curve in load_sensitivity(path).dims) if path.exists() else 0)
        return real(self, masks)

    monkeypatch.setattr(Gauge, "drop", drop)
    surveyed(model, Grid((0.25, 0.5)), path=path)
    assert there == [0, 1, 2, 3]


def test_what_was_measured_before_a_failure_is_kept(model: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Gauge.drop

    def drop(self: Gauge, masks: Mapping[str, Mask]) -> float:
        if DEAD in masks:
            raise ModelError("onnxruntime cannot run the model: no reason")
        return real(self, masks)

    monkeypatch.setattr(Gauge, "drop", drop)
    with pytest.raises(ModelError, match=r"'conv2.weight\[0\]' without 50% of its units: onnxruntime cannot run"):
        surveyed(model, Grid((0.5,)), path=path)
    assert list(drops(load_sensitivity(path).dims)) == [NEEDED]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"criterion": "l1"}, "measured with criterion 'l2', and now it is 'l1'"),
        ({"metric": "cosine"}, "measured with metric 'relative-error', and now it is 'cosine'"),
        ({"seed": 1}, "measured with seed 0, and now it is 1"),
        ({"judged_output": "fc"}, "measured with judged_output None, and now it is 'fc'"),
        ({"allow_norm": True}, "measured with allow_norm False"),
    ],
)
def test_a_file_of_another_request_is_neither_gone_on_with_nor_replaced(
    other: dict[str, Any], words: str, model: Path, path: Path
) -> None:
    half = Grid((0.5,))
    surveyed(model, half, path=path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=f"{words}.*--overwrite"):
        surveyed(model, half, path=path, **other)
    assert path.read_bytes() == before
    key = next(iter(other))
    assert surveyed(model, half, path=path, overwrite=True, **other).request[key] == other[key]


def test_a_file_of_other_samples_is_not_gone_on_with(model: Path, path: Path) -> None:
    def survey(given: Calibration) -> None:
        measure_sensitivity(Model.load(model), Options(criterion="l2"), given, Grid((0.5,)), path=path)

    survey(samples())
    survey(replace(samples(), source="the same from elsewhere"))
    with pytest.raises(OutputError, match=r"measured with samples.count 16, and now it is 8"):
        survey(samples(8))
    (batch,) = samples().batches
    with pytest.raises(OutputError, match=r"measured with samples.sha256 "):
        survey(Calibration.of([{"x": batch["x"] + 1}]))


def test_a_file_of_another_model_is_not_gone_on_with(model: Path, path: Path) -> None:
    surveyed(model, Grid((0.5,)), path=path)
    write(other_weights(half_dead()), model)
    with pytest.raises(OutputError, match=r"measured on another model.*--overwrite"):
        surveyed(model, Grid((0.5,)), path=path)


def test_a_file_that_is_something_else_is_not_replaced(model: Path, path: Path) -> None:
    path.write_text("notes")
    with pytest.raises(OutputError, match=r"not a JSON file.*--overwrite"):
        surveyed(model, path=path)
    assert path.read_text() == "notes"


def test_the_model_is_never_replaced(model: Path) -> None:
    with pytest.raises(OutputError, match="would replace the input"):
        surveyed(model, path=model, overwrite=True)


def test_without_samples_nothing_is_measured() -> None:
    with pytest.raises(UsageError, match="--calibration none"):
        measure_sensitivity(Model(half_dead()), Options(), DataOptions("none"))


def test_where_the_outputs_are_no_longer_finite_the_drop_is_infinite(path: Path) -> None:
    found = surveyed(balanced(), Grid((0.5,)), path=path)
    assert drops(found.dims) == {NEEDED: [math.inf]} and load_sensitivity(path) == found


# Several processes


def test_several_workers_give_the_same_file(model: Path, path: Path, tmp_path: Path) -> None:
    grid = Grid((0.25, 0.5, 0.75), "both")
    alone = surveyed(model, grid, path=path)
    assert surveyed(model, grid, path=tmp_path / "other.json", workers=2) == alone
    assert path.read_bytes() == (tmp_path / "other.json").read_bytes()


def test_a_worker_that_ends_before_its_time_is_reported_in_one_line() -> None:
    look = look_at(Model(half_dead()), Options(criterion="l2"), samples(), Phases())
    candidates = list(candidates_of(look.found, look.saliency, subjects_of(look.found, (), "dim")[0], (0.5,)))
    broken = replace(look.setup, proto=b"no model")
    with pytest.raises(UnsupportedError, match=r"a worker process ended before its time.*--workers"):
        measure_in_processes(broken, candidates, 1, lambda candidate, drop: None)


@pytest.mark.parametrize("workers", [0, -1])
def test_there_is_at_least_one_worker(workers: int) -> None:
    with pytest.raises(UsageError, match=f"--workers {workers}: it must be at least 1"):
        surveyed(workers=workers)
