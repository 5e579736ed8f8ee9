"""What `--memory-limit` bounds: samples, batches, activations, tables and covariances, and what is told beforehand."""

from __future__ import annotations

import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from networks import traced, write
from onnx import TensorProto, helper, numpy_helper

from onnxprune.calibrate import Calibration
from onnxprune.calibrate.lazy import Lazy
from onnxprune.calibrate.memory import LEAST, Load, MemoryLimitWarning, Shares, covered, shortage
from onnxprune.calibrate.readers import load_calibration
from onnxprune.calibrate.rows import RowChoice
from onnxprune.calibrate.source import samples_for
from onnxprune.calibrate.statistics import collect
from onnxprune.linear import layers
from onnxprune.model import Model
from onnxprune.options import DataOptions, Options
from onnxprune.pipeline import prune_model

MB = 1 << 20
rng = np.random.default_rng(0)


def pictures(side: int, widths: tuple[int, ...] = (16, 16), batch: int | str = "batch") -> onnx.ModelProto:
    """A network whose activations are far larger than its weights."""
    nodes, stored, name, given = [], [], "x", 3
    for place, width in enumerate(widths):
        weight = rng.standard_normal((width, given, 3, 3)) / np.sqrt(9 * given)
        stored.append(numpy_helper.from_array(weight.astype(np.float32), f"w{place}"))
        nodes.append(helper.make_node("Conv", [name, f"w{place}"], [f"c{place}"], f"conv{place}", pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{place}"], [f"r{place}"], f"relu{place}"))
        name, given = f"r{place}", width
    nodes.append(helper.make_node("GlobalAveragePool", [name], ["y"], "mean"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, given, 1, 1])
    graph = helper.make_graph(nodes, "pictures", [x], [y], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(folder: Path, count: int, side: int) -> str:
    np.save(folder / "x.npy", rng.standard_normal((count, 3, side, side), np.float32))
    return str(folder / "x.npy")


# Batches


def test_the_load_of_a_model_is_its_largest_node_whatever_its_weights() -> None:
    load = Load(Model(pictures(64)))
    node, taken = load.of({"x": (1, 3, 64, 64)})
    assert node == "relu0" and taken % (2 * 16 * 64 * 64 * 4) == 0
    assert load.of({"x": (5, 3, 64, 64)})[1] == 5 * taken


@pytest.mark.parametrize(("limit", "size"), [(2 << 30, 32), (64 * MB, 10), (0, 1)])
def test_an_open_batch_is_as_large_as_there_is_room_for(limit: int, size: int, tmp_path: Path) -> None:
    found = load_calibration(saved(tmp_path, 40, 64), Model(pictures(64)), memory_limit=limit)
    assert found.sizes[0] == size and found.samples == 40
    made = samples_for(traced(pictures(64)), DataOptions("synthetic", 40, memory_limit=limit), 0)
    assert made is not None and made.sizes[0] == size


def test_a_batch_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    source = saved(tmp_path, 8, 16)
    assert load_calibration(source, Model(pictures(16)), batch_size=8, memory_limit=0).sizes == (8,)
    assert load_calibration(source, Model(pictures(16, batch=4)), memory_limit=0).sizes == (4, 4)


# Samples


def test_samples_without_room_are_read_again_and_are_the_same(tmp_path: Path) -> None:
    source, model = saved(tmp_path, 10, 16), Model(pictures(16))
    held, read = (load_calibration(source, model, batch_size=4, memory_limit=limit) for limit in (1 << 30, 4096))
    assert isinstance(held.batches, tuple) and isinstance(read.batches, Lazy)
    assert read.batches[0] is not read.batches[0]
    for ours, theirs in zip(held.held_back(0.4), read.held_back(0.4), strict=True):
        assert ours.sizes == theirs.sizes
        for one, other in zip(ours.batches, theirs.batches, strict=True):
            np.testing.assert_array_equal(one["x"], other["x"], strict=True)
    assert [len(batch["x"]) for batch in read.batches[1:]] == [4, 2]


def test_samples_that_are_read_again_were_checked_before(tmp_path: Path) -> None:
    source = saved(tmp_path, 10, 16)
    values = np.load(source)
    values[9, 0, 0, 0] = np.nan
    np.save(source, values)
    with pytest.raises(Exception, match="NaN or infinite"):
        load_calibration(source, Model(pictures(16)), batch_size=4, memory_limit=4096)


def test_fewer_samples_are_made_up_where_there_is_less_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxprune.calibrate.synthetic.make.SAMPLES", 48)
    found = traced(pictures(64))
    many, few = (samples_for(found, DataOptions("synthetic", memory_limit=limit), 0) for limit in (2 << 30, 4 * MB))
    assert many is not None and few is not None and (many.samples, few.samples) == (48, 32)


# What is fitted


def test_a_lower_limit_fits_fewer_rows_of_wide_layers_and_never_too_many_for_a_solution() -> None:
    for limit, columns in ((512 * MB, 4096), (LEAST, 4096), (0, 4096), (LEAST, 100_000)):
        shares, rows = Shares(limit), len(RowChoice(1, limit=limit).of(0, 1_000_000, columns))
        assert rows * columns * 4 <= shares.table
        assert min(rows, columns) <= shares.side
    assert len(RowChoice(1, limit=0).of(0, 1_000_000, 27)) == len(RowChoice(1).of(0, 1_000_000, 27))


def wide(*widths: int) -> onnx.ModelProto:
    nodes, stored = [], []
    for place, (given, width) in enumerate(pairwise(widths)):
        weight = np.resize(np.linspace(-1, 1, 7, dtype=np.float32), (given, width)) / np.float32(np.sqrt(given))
        stored.append(numpy_helper.from_array(weight, f"w{place}"))
        nodes.append(helper.make_node("MatMul", [f"x{place}", f"w{place}"], [f"c{place}"], f"product{place}"))
        nodes.append(helper.make_node("Relu", [f"c{place}"], [f"x{place + 1}"], f"relu{place}"))
    x = helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["batch", widths[0]])
    y = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["batch", widths[-1]])
    graph = helper.make_graph(nodes, "wide", [x], [y], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_the_widest_layers_are_those_without_a_covariance() -> None:
    model = Model(wide(8, 2_500, 1_000, 4))
    assert covered(layers(model), LEAST) == {"c0", "c2"}
    assert covered(layers(model), 1 << 30) == {"c0", "c1", "c2"}
    assert covered(layers(Model(wide(8, *[2_000] * 10, 4))), 0) < {f"c{place}" for place in range(11)}


def test_layers_without_room_for_a_covariance_are_named_before_the_work_begins(tmp_path: Path) -> None:
    proto = wide(8, 2_500, 4)
    samples = Calibration.of([{"x0": rng.standard_normal((16, 8), np.float32)}])
    found = traced(proto)
    statistics = collect(found.model, found.types, samples, True, LEAST)
    assert statistics["c1"].covariance() is None and statistics["c0"].covariance() is not None
    np.save(tmp_path / "x.npy", samples.batches[0]["x0"])
    data = DataOptions(str(tmp_path / "x.npy"), memory_limit=LEAST)
    with pytest.warns(
        MemoryLimitWarning, match=r"1 layers have no covariance .* 'product1' with 2,500 columns"
    ) as told:
        result = prune_model(proto, Options(amount=0.2, recover="none"), check=False, data=data)
    assert str(told[0].message) in result.report.warnings
    assert "191MB has room for all, and --criterion variance" in str(told[0].message)


# What is told


def told(proto: onnx.ModelProto, batch: np.ndarray, limit: int) -> list[str]:
    return shortage(Model(proto), Calibration.of([{"x": batch}] * 3), limit)


def test_nothing_is_told_where_there_is_room() -> None:
    assert told(pictures(16), np.zeros((4, 3, 16, 16), np.float32), 2 << 30) == []


def test_samples_and_batches_that_take_more_are_told_with_what_to_do() -> None:
    samples, batch = told(pictures(64), np.zeros((8, 3, 64, 64), np.float32), MB)
    assert samples.startswith("the samples take 1 MB, more than --memory-limit 1MB: take fewer with --samples")
    assert batch.startswith(
        "node 'relu0' takes about 24 MB on 8 samples at a time, more than --memory-limit 1MB: give a"
    )
    assert "smaller --batch-size" in batch
    assert "smaller --batch-size" not in told(pictures(64), np.zeros((1, 3, 64, 64), np.float32), MB)[-1]


# What is measured


PEAK = """
import resource, sys
from onnxprune.cli import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peak(*arguments: Any) -> float:
    """The most memory that the command had, in MB."""
    command = [sys.executable, "-c", PEAK, *map(str, arguments), "--dry-run", "--quiet", "--no-verify"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stderr.splitlines()[-1]) * unit / MB


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RUSAGE_SELF"), reason="the system does not say what a process had")
def test_a_run_stays_near_its_limit_where_a_batch_would_take_ten_times_as_much(tmp_path: Path) -> None:
    model = write(pictures(256), tmp_path / "net.onnx")
    source = saved(tmp_path, 64, 256)
    without = peak(model, "--calibration", "none")
    limited = peak(model, "--calibration", source, "--memory-limit", "150MB")
    assert limited < without + 300, (without, limited)


def test_results_do_not_depend_on_whether_samples_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataOptions(saved(tmp_path, 24, 8), batch_size=4)
    proto = pictures(8)
    held = prune_model(proto, Options(amount=0.3), check=False, data=data).model
    monkeypatch.setattr(Shares, "samples", 1_000)
    assert prune_model(proto, Options(amount=0.3), check=False, data=data).model == held
