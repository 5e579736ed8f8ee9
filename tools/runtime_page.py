"""docs/runtimes.md, made of docs/runtimes.json: `python tools/runtime_page.py` writes it anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines.compare import AGREES, DENSE_IS_OFF, DIFFERS, verdict

Row = dict[str, Any]

OUT = Path(__file__).parents[1] / "docs" / "runtimes.json"
NOT_MEASURED = "not measured here"
FULL_NAMES = {
    "onnxruntime": "onnxruntime (CPU)",
    "openvino": "OpenVINO (CPU)",
    "ncnn": "ncnn, by way of pnnx",
    "mnn": "MNN",
    "web": "onnxruntime-web: WebAssembly in Chromium",
    "litert": "LiteRT (XNNPACK), by way of onnx2tf",
    "tensorrt": "TensorRT",
    "tensorrt-int8": "TensorRT, int8",
    "coreml": "Core ML",
    "ort-mobile": "onnxruntime on ARM",
}
NOTES = {DIFFERS: f"**{DIFFERS}**", DENSE_IS_OFF: f"*{DENSE_IS_OFF}*"}
LACKING = {
    "web": "`tools/bench_web.py` was not run",
    "litert": "`tools/bench_runtimes.py --engines litert` was not run",
    "tensorrt": "needs an NVIDIA GPU; the 2:4 pattern is checked by Polygraphy instead (`pytest -m runtimes`)",
    "tensorrt-int8": "needs an NVIDIA GPU",
    "coreml": "needs a Mac, and its converter takes no ONNX any more",
    "ort-mobile": "needs an ARM device",
}

ABOUT = """\
# Runtimes

A pruned model is an ordinary ONNX file, so every runtime that takes the dense one should take it. Here that was tried:
each model was pruned without data, dense and pruned model were converted and run by each runtime on one thread, in
processes of their own, and both were compared with onnxruntime.

* **channels**: `--amount 0.4 --budget macs --calibration none`. **2:4**: `--granularity 2:4 --calibration none`: zeros
  in place, which are meant for TensorRT and must do no harm elsewhere.
* **error**: the largest difference to onnxruntime with its graph optimizations off, over three random inputs, relative
  to the largest value of the output; channel by channel where an output has positions. It stands beside that of the
  *dense* model in the same runtime. **agrees**: it is at most twice that, or at most 1e-5. Where the dense model is off
  by more than 2e-3, the runtime does not compute that one either, and nothing can be said of the pruned one. What
  pruning itself does to the outputs is in the table of models, as *moved*.
* **latency**: time of the pruned model over time of the dense one, batch 1, from a race within one process: dense,
  pruned and a second copy of the dense one take turns in random order. It is CPU time, so that other work on the
  machine hardly matters. In brackets the 95% interval of the median. **noise**: how far from 1 the second copy of the
  dense one may be; no difference within it is believed. *Dense, ms* is wall time: on a busy machine it says little.
"""


def page(found: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    parts = [ABOUT, "## Models\n\n" + _models(found), "## At a glance\n\n" + _glance(found)]
    parts += _targets(found)
    parts.append("## What did not run, or not right\n\n" + _problems(found))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _models(found: dict[str, Any]) -> str:
    rows = [
        [name, f"`{model['file']}`", _sizes(model["shapes"]), variant]
        + [f"{facts[key]:.3f}" for key in ("macs", "params")]
        + [f"{facts['moved']:.2g}"]
        for name, model in _in_order(found["models"], found["rows"])
        for variant, facts in model["variants"].items()
    ]
    return _table(["model", "file", "input", "pruned", "MACs left", "parameters left", "moved"], rows)


def _in_order(models: dict[str, Any], rows: list[Row]) -> Iterator[tuple[str, Any]]:
    for name in dict.fromkeys(row["model"] for row in rows):
        yield name, models[name]


def _glance(found: dict[str, Any]) -> str:
    """Return a table of runtimes by pruned models: what share of the latency remains."""
    rows = found["rows"]
    columns = list(dict.fromkeys((row["model"], row["variant"]) for row in rows))
    by_key = {(row["target"], row["model"], row["variant"]): row for row in rows}
    lines = []
    for target, title in FULL_NAMES.items():
        cells = [_cell(by_key.get((target, *column))) for column in columns]
        lines.append([title, *cells])
    heads = [model if variant == "channels" else f"{model}, {variant}" for model, variant in columns]
    legend = (
        "Latency, pruned over dense; *agrees* where the outputs do but no time was taken. **differs**: the outputs do "
        "not; *dense is off*: nor do those of the dense model; **fails**: the dense model runs, the pruned one does "
        "not.\n\n"
    )
    return legend + _table(["runtime", *heads], lines)


def _cell(row: Row | None) -> str:
    if row is None:
        return NOT_MEASURED
    if not row["runs"]:
        return "**fails**" if row["dense_runs"] else "dense fails too"
    found = verdict(row["error"], row["dense_error"])
    if "ratio" not in row:
        return NOTES.get(found, found)
    ratio = f"{row['ratio']['value']:.2f}"
    return ratio if found == AGREES else f"{ratio}, {NOTES[found]}"


def _targets(found: dict[str, Any]) -> Iterator[str]:
    """Yield a section for every runtime."""
    for target, title in FULL_NAMES.items():
        rows = [row for row in found["rows"] if row["target"] == target]
        if rows:
            yield f"## {title}\n\n{_about(found['targets'][target])}\n\n{_details(rows)}"
    missing = [target for target in FULL_NAMES if target not in found["targets"]]
    yield f"## {NOT_MEASURED.capitalize()}\n\n" + "\n".join(
        f"* {FULL_NAMES[target]}: {LACKING.get(target, '`tools/bench_runtimes.py` was not run')}." for target in missing
    )


def _about(target: dict[str, Any]) -> str:
    machine = target["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in target["versions"].items())
    against = ", ".join(f"{name} {machine[name]}" for name in ("onnxprune", "onnxruntime", "onnx", "numpy"))
    where = f"{machine['processor']}, {machine['cores']} logical cores, one thread, Python {machine['python']}"
    return f"{versions}; compared with {against}. {where}. Written by `{target['command']}`."


def _details(rows: list[Row]) -> str:
    heads = ["model", "pruned", "loads", "runs", "error, pruned", "error, dense", "agrees"]
    return _table([*heads, "latency", "noise", "dense, ms"], [_line(row) for row in rows])


def _line(row: Row) -> list[str]:
    cells = [row["model"], row["variant"], _yes(row["loads"]), _yes(row["runs"])]
    cells += [_error(row.get("error")), _error(row["dense_error"]), _agrees(row)]
    if "ratio" not in row:
        return [*cells, NOT_MEASURED, "", ""]
    ratio = row["ratio"]
    shown = f"**{ratio['value']:.3f}** ({ratio['low']:.3f} to {ratio['high']:.3f})"
    return [*cells, shown, f"{ratio['noise']:.1%}", f"{row['dense_ms']:.3g}"]


def _problems(found: dict[str, Any]) -> str:
    lines = [
        f"* {FULL_NAMES[row['target']]}, {row['model']}, {row['variant']}: {problem}"
        for row in found["rows"]
        for problem in _problems_of(row)
    ]
    return "\n".join(lines) or "Nothing: every runtime that was tried computes every model, dense and pruned."


def _problems_of(row: Row) -> Iterator[str]:
    if row["message"]:
        yield _escaped(row["message"])
    if not row["runs"]:
        return
    seen = verdict(row["error"], row["dense_error"])
    if seen == DENSE_IS_OFF:
        yield f"runs, but what it makes of the dense model is off by {row['dense_error']:.2g} already"
    if seen == DIFFERS:
        yield f"runs, but is off by {row['error']:.2g}"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows))


def _sizes(shapes: dict[str, list[int]]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes.values())


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "**no**"


def _agrees(row: Row) -> str:
    if not row["runs"]:
        return ""
    found = verdict(row["error"], row["dense_error"])
    return "yes" if found == AGREES else NOTES[found]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "\\<")


if __name__ == "__main__":
    OUT.with_suffix(".md").write_text(page(json.loads(OUT.read_text())))
