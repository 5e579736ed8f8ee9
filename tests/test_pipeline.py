"""The Python API, and the properties that hold for every result."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import branchy, plain, random_net, shared_scale, unprunable, values, write

import onnxprune
from onnxprune.errors import BudgetError, ModelError, UsageError
from onnxprune.model import Model
from onnxprune.options import DataOptions, Options
from onnxprune.phases import PHASES
from onnxprune.pipeline import inspect_model, prune_model

NETWORKS = [plain, branchy, shared_scale]
Network = Callable[[], onnx.ModelProto]


@settings(deadline=None, max_examples=12)
@given(
    st.integers(0, 99),
    st.lists(st.integers(2, 12), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from([1, 2]),
    st.floats(0.1, 0.6),
    st.sampled_from(["l1", "l2", "random"]),
)
def test_every_result_is_valid_and_verified(
    seed: int, widths: list[int], residual: bool, group: int, amount: float, criterion: str
) -> None:
    dense = random_net(seed, widths, residual, group)
    result = onnxprune.prune(dense, amount, criterion=criterion, best_effort=True, samples=8)
    onnx.checker.check_model(result.model, full_check=True)
    assert result.model.graph.input == dense.graph.input and result.model.graph.output == dense.graph.output
    assert result.report.verified is not None and result.report.verified["mask_equals_slice"] is True
    assert dense == random_net(seed, widths, residual, group)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_result_says_what_was_done(network: Network) -> None:
    result = onnxprune.prune(network(), 0.4, samples=8)
    dense, pruned = (
        sum(v.size for v in values(p).values() if v.dtype == np.float32) for p in (network(), result.model)
    )
    assert (result.report.params.before, result.report.params.after) == (dense, pruned)
    assert result.report.amount["reached"] == pytest.approx(1 - pruned / dense)
    assert {d.name: d.kept for d in result.report.dims if d.kept < d.size} == {
        d.name: len(d.keep) for d in result.plan.dims
    }


@pytest.mark.parametrize("network", NETWORKS)
def test_every_weight_axis_is_pruned_or_has_a_reason(network: Network) -> None:
    report = onnxprune.prune(network(), 0.4, check=False, calibration="none").report
    mentioned = {entry["name"] for entry in report.not_pruned} | {
        member for dim in report.dims for member in dim.members
    }
    axes = {
        f"{name}[{axis}]"
        for name, value in values(network()).items()
        if value.dtype == np.float32
        for axis, length in enumerate(value.shape)
        if length > 1 and axis < 2
    }
    assert axes <= mentioned
    assert all(entry["reason"] for entry in report.not_pruned)


def test_a_path_a_string_a_proto_a_model_and_a_graph_are_the_same(tmp_path: Path) -> None:
    path = write(plain(), tmp_path / "net.onnx")
    sources: list[Any] = [path, str(path), plain(), Model(plain()), onnx_graphsurgeon.import_onnx(plain())]
    expected = values(onnxprune.prune(plain(), 0.4, check=False, samples=8).model)
    for source in sources:
        pruned = values(onnxprune.prune(source, 0.4, samples=8).model)
        assert pruned.keys() == expected.keys()
        assert all(np.array_equal(pruned[name], expected[name]) for name in pruned)


def test_the_input_is_not_changed(tmp_path: Path) -> None:
    path, proto, graph = write(branchy(), tmp_path / "net.onnx"), branchy(), onnx_graphsurgeon.import_onnx(branchy())
    for source in (path, proto, graph):
        onnxprune.prune(source, 0.4, samples=8)
    assert path.read_bytes() == branchy().SerializeToString()
    assert proto == branchy()
    assert onnx_graphsurgeon.export_onnx(graph) == onnx_graphsurgeon.export_onnx(
        onnx_graphsurgeon.import_onnx(branchy())
    )


def test_a_result_can_go_on_as_a_graph() -> None:
    result = onnxprune.prune(plain(), 0.4, samples=8)
    graph = result.to_graphsurgeon()
    assert isinstance(graph, onnx_graphsurgeon.Graph)
    assert graph.tensors()["conv1.weight"].values.shape == values(result.model)["conv1.weight"].shape


def test_a_result_saves_itself_and_reports_the_file(tmp_path: Path) -> None:
    result = onnxprune.prune(write(plain(), tmp_path / "net.onnx"), 0.4, samples=8)
    result.save(tmp_path / "out.onnx")
    assert onnx.load(tmp_path / "out.onnx") == result.model
    assert result.report.output == str(tmp_path / "out.onnx")
    assert result.report.bytes is not None
    assert result.report.bytes.before == (tmp_path / "net.onnx").stat().st_size
    assert result.report.bytes.after == (tmp_path / "out.onnx").stat().st_size


def test_trace_tells_what_can_be_pruned() -> None:
    found = onnxprune.trace(plain())
    assert [(found.names[dim], dim.size) for dim in found.dims] == [("conv1.weight[0]", 8), ("conv2.weight[0]", 12)]


def test_inspection_counts_what_can_go() -> None:
    found = inspect_model(plain())
    assert found.params == 416 and 0.8 < found.prunable_params < 1
    assert inspect_model(unprunable()).prunable_params == 0


def test_the_public_names_can_all_be_imported() -> None:
    assert all(getattr(onnxprune, name) is not None for name in onnxprune.__all__)
    assert not hasattr(onnxprune, "absent")


@pytest.mark.parametrize("network", [*NETWORKS, unprunable])
def test_amount_0_gives_the_same_bytes(network: Network) -> None:
    result = onnxprune.prune(network(), 0, samples=8)
    assert result.model.SerializeToString() == network().SerializeToString()
    assert result.report.verified is not None and result.report.verified["verdict"] == "unchanged"


@pytest.mark.parametrize("criterion", ["auto", "l2", "random"])
def test_the_same_request_gives_the_same_bytes_in_every_process(criterion: str, tmp_path: Path) -> None:
    path = write(branchy(), tmp_path / "net.onnx")
    result = onnxprune.prune(path, 0.4, criterion=criterion, seed=3, check=False, samples=8)
    expected = (result.model.SerializeToString(), result.plan)
    for hash_seed in ("1", "2"):
        out, plan = tmp_path / f"{hash_seed}.onnx", tmp_path / f"{hash_seed}.json"
        options = (
            f"--amount 0.4 --criterion {criterion} --seed 3 --samples 8 --no-verify --plan {plan} -o {out}".split()
        )
        command = [sys.executable, "-m", "onnxprune", str(path), *options]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
        assert (out.read_bytes(), onnxprune.Plan.load(plan)) == expected


def test_another_seed_gives_another_model_only_where_chance_decides() -> None:
    models = {
        c: [onnxprune.prune(branchy(), 0.4, criterion=c, seed=s, check=False, calibration="none").model for s in (1, 2)]
        for c in ("l2", "random")
    }
    assert models["l2"][0] == models["l2"][1]
    assert models["random"][0] != models["random"][1]


@pytest.mark.parametrize("amount", [-0.1, 1, 1.5, float("nan"), float("inf")])
def test_impossible_amounts_are_refused(amount: float) -> None:
    with pytest.raises(UsageError, match="--amount"):
        onnxprune.prune(plain(), amount)


@pytest.mark.parametrize("wrong", [{"budget": "x"}, {"scope": "x"}, {"criterion": "x"}, {"round_to": 0}])
def test_impossible_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        onnxprune.prune(plain(), 0.4, **wrong)


def test_what_is_no_model_is_refused() -> None:
    for source in (42, b"bytes", None, onnx.ModelProto()):
        with pytest.raises(ModelError):
            onnxprune.prune(source, 0.4, samples=8)


def test_options_are_plain_data_and_back() -> None:
    options = Options(amount=0.3, include=("a*",), exclude=("b",), round_to=8)
    assert Options.of({**options.as_dict(), "from_another_version": 1}) == options


def test_phases_are_announced_in_order() -> None:
    seen: list[tuple[str, float]] = []
    prune_model(plain(), Options(amount=0.2), data=DataOptions(samples=8), on_phase=lambda *at: seen.append(at))
    left_out = ("simplifying", "permuting", "profiling", "measuring", "zeroing", "comparing")
    expected = tuple(name for name in PHASES if name not in left_out)
    assert tuple(name for name, _ in groupby(name for name, _ in seen)) == expected
    for name in expected:
        shares = [share for phase, share in seen if phase == name]
        assert shares[0] == 0 and shares == sorted(shares) and shares[-1] <= 1


def test_a_model_that_cannot_be_met_raises_and_best_effort_warns() -> None:
    with pytest.raises(BudgetError):
        onnxprune.prune(plain(), 0.95, calibration="none")
    report = onnxprune.prune(plain(), 0.95, best_effort=True, calibration="none").report
    assert any("95.0%" in warning for warning in report.warnings)
