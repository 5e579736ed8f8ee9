"""`onnxprune bench`: what it prints, what its JSON has, and what it refuses. No test looks at a time."""

from __future__ import annotations

import io
import re
from pathlib import Path

import onnx
import pytest
from command import error_line, run, run_json
from graphs import Graph
from networks import plain, write
from onnx import TensorProto
from rich.console import Console

from onnxprune.bench import Latency, Race, Ratio
from onnxprune.bench.benchmark import AtBatchSize, Benchmark
from onnxprune.machine import Machine
from onnxprune.report.bench import digits, show_benchmark

QUICK = ("--seconds", "0.01")


@pytest.fixture(autouse=True)
def short_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples and warm-ups too short to learn anything from."""
    monkeypatch.setattr("onnxprune.bench.contestant.SAMPLE_MS", 0.1)
    monkeypatch.setattr("onnxprune.bench.contestant.WARM_UP_MS", 0.1)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(batch="N"), tmp_path / "net.onnx")


def recurrent(batch: int | str = "N", dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """A sum of a sequence, input_1 [batch, 4], and of a state, x1 [2, batch, 4]."""
    g = Graph()
    x, state = g.input(batch, 4, dtype=dtype), g.input(2, batch, 4, dtype=dtype)
    g.output(g.add("Add", state, x))
    return g.model()


def test_json_has_all_that_was_measured(model: Path, tmp_path: Path) -> None:
    other = write(plain(seed=1, batch="N"), tmp_path / "other.onnx")
    found = run_json("bench", model, other, "--batch-size", "1,3", *QUICK)
    assert set(found) == {"machine", "threads", "seconds", "seed", "races", "warnings"}
    assert set(found["machine"]) == {"processor", "cores", "onnxruntime"}
    assert (found["threads"], found["seconds"], found["seed"]) == (1, 0.01, 0)
    assert [(race["batch_size"], race["inputs"]) for race in found["races"]] == [
        (1, {"x": [1, 3, 5, 5]}),
        (3, {"x": [3, 3, 5, 5]}),
    ]
    for race in found["races"]:
        assert race["threads"] == 1 and race["rounds"] >= 10 and race["noise"] >= 0.01 and race["waiting_share"] >= 0
        assert set(race["contestants"]) == {"net.onnx", "other.onnx"} and set(race["ratios"]) == {"other.onnx"}
        assert set(race["ratios"]["other.onnx"]) == {"value", "low", "high", "noise", "verdict"}
        for name, latency in race["contestants"].items():
            assert 0 < latency["low_ms"] <= latency["median_ms"] <= latency["high_ms"] and latency["cpu_ms"] > 0
            rate = race["samples_per_second"][name]
            assert rate == pytest.approx(1000 * race["batch_size"] / latency["median_ms"])


def test_a_single_model_has_a_latency_and_noise(model: Path) -> None:
    (race,) = run_json("bench", model, *QUICK)["races"]
    assert list(race["contestants"]) == ["net.onnx"] and race["ratios"] == {} and race["noise"] >= 0.01


def test_the_terminal_shows_where_what_and_how_fast(model: Path, tmp_path: Path) -> None:
    other = write(plain(seed=1, batch="N"), tmp_path / "other.onnx")
    shown = run("bench", model, other, *QUICK).stdout
    for part in ("logical cores", "onnxruntime", "1 thread", "batch size 1: x 1x3x5x5", "net.onnx", "other.onnx"):
        assert part in shown
    assert "baseline" in shown and "rounds" in shown


def test_the_same_file_may_run_against_itself(model: Path) -> None:
    (race,) = run_json("bench", model, model, *QUICK)["races"]
    assert list(race["contestants"]) == [str(model), f"{model} (2)"]


def test_files_of_the_same_name_go_by_their_paths(model: Path, tmp_path: Path) -> None:
    (tmp_path / "v2").mkdir()
    other = write(plain(seed=1), tmp_path / "v2" / "net.onnx")
    (race,) = run_json("bench", model, other, "--shape", "x=2x3x5x5", *QUICK)["races"]
    assert list(race["contestants"]) == [str(model), str(other)]


def test_several_threads_are_measured_by_wall_time(model: Path) -> None:
    (race,) = run_json("bench", model, "--threads", "2", *QUICK)["races"]
    assert (race["threads"], race["clock"], race["waiting_share"]) == (2, "wall", None)


def test_shapes_set_what_the_model_leaves_open_and_the_batch_size_the_rest(tmp_path: Path) -> None:
    path = write(recurrent(), tmp_path / "net.onnx")
    (race,) = run_json("bench", path, "--shape", "input_1=5x4", *QUICK)["races"]
    assert (race["batch_size"], race["inputs"]) == (1, {"input_1": [5, 4], "input_2": [2, 5, 4]})
    (race,) = run_json("bench", path, "--shape", "input_1=5x4", "--batch-size", "3", *QUICK)["races"]
    assert (race["batch_size"], race["inputs"]) == (3, {"input_1": [3, 4], "input_2": [2, 3, 4]})


def test_a_batch_that_is_baked_in_counts(tmp_path: Path) -> None:
    path = write(plain(batch=4), tmp_path / "net.onnx")
    (race,) = run_json("bench", path, *QUICK)["races"]
    assert race["batch_size"] == 4
    (race,) = run_json("bench", path, "--batch-size", "4", *QUICK)["races"]
    assert race["batch_size"] == 4


@pytest.mark.parametrize(
    ("options", "exit_code", "told"),
    [
        (["--batch-size", "1,x"], 2, "--batch-size 1,x: give whole numbers"),
        (["--batch-size", "0"], 2, "every --batch-size at least 1"),
        (["--seed", "-1"], 2, "--seed must be at least 0"),
        (["--threads", "0"], 2, "--threads 0: it must be at least 1"),
        (["--seconds", "0"], 2, "--seconds 0.0: it must be above 0"),
        (["--shape", "x=1x3xHxW"], 2, "--shape x=1x3xHxW: it must be the name of an input and its sizes"),
        (["--shape", "y=1x3"], 1, "the model has no input 'y'; there are: x"),
        (["--shape", "x=1x4x5x5"], 1, "input 'x' cannot have the shape 1x4x5x5: the model says Nx3x5x5"),
    ],
)
def test_bad_options_are_told_in_one_line(model: Path, options: list[str], exit_code: int, told: str) -> None:
    assert told in error_line(run("bench", model, *QUICK, *options), exit_code)


def test_a_fixed_batch_is_not_another(tmp_path: Path) -> None:
    path = write(plain(batch=1), tmp_path / "net.onnx")
    line = error_line(run("bench", path, "--batch-size", "1,8", *QUICK))
    assert "input 'x' cannot hold a batch of 8: its first axis is fixed (1x3x5x5)" in line


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (plain(batch="N"), "other.onnx takes the inputs 'x', but net.onnx takes 'input_1', 'input_2'"),
        (
            recurrent(batch=7),
            "other.onnx: input 'input_1' is 7x4, but 1x4 in net.onnx; give sizes that all models take",
        ),
        (recurrent(dtype=TensorProto.DOUBLE), "other.onnx: input 'input_1' is float64, but float32 in net.onnx"),
    ],
)
def test_models_with_other_inputs_are_not_compared(tmp_path: Path, other: onnx.ModelProto, told: str) -> None:
    paths = write(recurrent(), tmp_path / "net.onnx"), write(other, tmp_path / "other.onnx")
    assert told in error_line(run("bench", *paths, *QUICK))


def test_sizes_that_all_models_take_make_them_comparable(tmp_path: Path) -> None:
    paths = write(recurrent(), tmp_path / "net.onnx"), write(recurrent(batch=7), tmp_path / "other.onnx")
    (race,) = run_json("bench", *paths, "--batch-size", "7", *QUICK)["races"]
    assert race["inputs"] == {"input_1": [7, 4], "input_2": [2, 7, 4]}


def test_a_model_that_cannot_run_is_named(tmp_path: Path) -> None:
    proto = recurrent()
    proto.graph.node[0].op_type = "Unheard"
    proto.graph.node[0].domain = "elsewhere"
    proto.opset_import.add(domain="elsewhere", version=1)
    paths = [write(recurrent(), tmp_path / "good.onnx"), write(proto, tmp_path / "bad.onnx")]
    assert "bad.onnx: onnxruntime cannot run the model" in error_line(run("bench", *paths, *QUICK))
    assert "bad.onnx: onnxruntime cannot run the model" in error_line(run("bench", paths[1], *QUICK))


def benchmark(threads: int = 1, waiting: float | None = 0.0, ratio: Ratio | None = None) -> Benchmark:
    """A benchmark on a machine of two cores, as if it had been measured."""
    latency = Latency(12.3456, 12.0, 14.0, 12.2)
    ratios = {"pruned.onnx": ratio or Ratio(0.5, 0.49, 0.51, 0.01)}
    race = Race(threads, 100, "cpu", 0.013, waiting, {"dense.onnx": latency, "pruned.onnx": latency}, ratios)
    return Benchmark(Machine("A processor", 2, "1.2.3"), threads, 10.0, 0, (AtBatchSize(4, {"x": (4, 3)}, race),))


@pytest.mark.parametrize(
    ("found", "warning"),
    [
        (benchmark(), ""),
        (benchmark(waiting=0.05), ""),
        (benchmark(waiting=None, threads=2), ""),
        (benchmark(waiting=0.4), "the machine was busy: at batch size 4 the models waited for the processor 40%"),
        (benchmark(waiting=None, threads=3), "3 threads share 2 logical cores"),
        (benchmark(ratio=Ratio(0.9, 0.8, 1.1, 0.01)), "undecided: measure for longer (--seconds)"),
    ],
)
def test_warnings_are_given_where_they_are_due(found: Benchmark, warning: str) -> None:
    assert len(found.warnings) == bool(warning) and warning in "".join(found.warnings)


def test_the_table_fits_80_columns_and_has_the_verdict() -> None:
    console = Console(width=80, file=io.StringIO(), record=True)
    show_benchmark(benchmark(), console)
    shown = console.export_text()
    assert "x 4x3" in shown and all(len(line) <= 80 for line in shown.splitlines())
    assert "A processor, 2 logical cores, onnxruntime 1.2.3, 1 thread" in shown
    assert "2x faster" in shown and "12.3" in shown and "324" in shown and "100 rounds" in shown


@pytest.mark.parametrize(("value", "text"), [(0.12345, "0.123"), (4.567, "4.57"), (123.4, "123"), (12345.6, "12346")])
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert digits(value) == text


def test_the_example_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model.onnx", "model.pruned.onnx"):
        write(plain(batch="N"), tmp_path / name)
    page = (Path(__file__).parents[1] / "docs" / "latency.md").read_text(encoding="utf-8")
    section = page.split("## Measuring", 1)[1].split("\n## ", 1)[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    exec(code, {"__name__": "shown"})
