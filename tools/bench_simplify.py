"""What --simplify buys: simplify every model of some folders, prove each, and write down what can be pruned then.

    python tools/bench_simplify.py FOLDER... [--only GLOB] [--out docs/simplify.json]

Writes every figure as JSON, and anew the tables of the page beside it, between its markers. With `--only`, the rows of
other models stay; without a folder the tables are made of what was measured before. `tools/coverage.py` fetches the
models that packages ship into `CACHE/models`. Exit 1 where a model was refused.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

from onnxprune.errors import OnnxPruneError
from onnxprune.machine import this_machine
from onnxprune.model import Model
from onnxprune.pipeline import read
from onnxprune.simplify import simplified

Row = dict[str, Any]

BEGIN, END = "<!-- tables: made by tools/bench_simplify.py -->", "<!-- end of the tables -->"
COUNTED = {"batch_norms": ("BatchNormalization",), "quantizers": ("QuantizeLinear", "DequantizeLinear")}
NOISE = 5e-4
"""A change of a prunable share by less than this is none."""


def main() -> int:
    """Measure, and write the figures and the tables; return the exit code."""
    options = _arguments()
    if not options.folders:
        _write_tables(options.out.with_suffix(".md"), json.loads(options.out.read_text(encoding="utf-8")))
        return 0
    paths = [path for folder in options.folders for path in sorted(folder.rglob("*.onnx"))]
    rows = [_shown(_measured(path)) for path in paths if fnmatchcase(path.stem, options.only)]
    if options.only != "*":
        rows = _merged(options.out, rows)
    figures = {"machine": _machine(), "models": rows}
    options.out.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _write_tables(options.out.with_suffix(".md"), figures)
    return int(any("refused" in row for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folders of .onnx files, of any depth")
    parser.add_argument("--only", default="*", metavar="GLOB", help="models by name")
    parser.add_argument("--out", type=Path, default=Path("docs/simplify.json"), help="the page lies beside it")
    return parser.parse_args()


def _measured(path: Path) -> Row:
    row: Row = {"name": path.stem if path.stem not in ("model", "common") else f"{path.parent.name}/{path.stem}"}
    start = time.perf_counter()
    try:
        model = read(path)
        found = simplified(model)
    except OnnxPruneError as error:
        return {**row, "refused": str(error)}
    pair = (model, found.model)
    counts = {name: _before([_count(one, kinds) for one in pair]) for name, kinds in COUNTED.items()}
    sizes = {"bytes": _before([one.proto.ByteSize() for one in pair])}
    return {**row, **found.as_dict(), **counts, **sizes, "seconds": round(time.perf_counter() - start, 1)}


def _before(pair: Sequence[int]) -> dict[str, int]:
    return {"before": pair[0], "after": pair[1]}


def _count(model: Model, kinds: tuple[str, ...]) -> int:
    return sum(node.op_type in kinds for graph in model.graphs.values() for node in graph.node)


def _shown(row: Row) -> Row:
    print(row["name"], row.get("refused") or {key: row[key] for key in ("nodes", "dims", "seconds")}, flush=True)
    return row


def _merged(written: Path, rows: list[Row]) -> list[Row]:
    before = json.loads(written.read_text(encoding="utf-8"))["models"] if written.is_file() else []
    again = {row["name"]: row for row in rows}
    return [*(again.pop(row["name"], row) for row in before), *again.values()]


def _machine() -> dict[str, Any]:
    packages = {name: version(name) for name in ("onnxprune", "onnx", "onnxslim", "numpy")}
    return {**asdict(this_machine()), "python": platform.python_version(), **packages}


def _write_tables(page: Path, figures: dict[str, Any]) -> None:
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n\n".join(_tables(figures))
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", encoding="utf-8")


def _tables(figures: dict[str, Any]) -> Iterator[str]:
    rows = [row for row in figures["models"] if "refused" not in row]
    changed = [row for row in rows if _is_changed(row)]
    same = [row for row in rows if not _is_changed(row)]
    machine = figures["machine"]
    versions = ", ".join(
        f"{name} {machine[name]}" for name in ("onnxslim", "onnxprune", "onnx", "onnxruntime", "numpy")
    )
    yield f"{machine['processor']}, {machine['cores']} logical cores, Python {machine['python']}, {versions}."
    nodes = [sum(row["nodes"][when] for row in rows) for when in ("before", "after")]
    better = sum(_moved(row) > 0 for row in changed)
    yield (
        f"{len(rows)} models, {len(figures['models']) - len(rows)} refused. In {better} more can be pruned than "
        f"before, in {len(changed) - better} less, in {len(same)} as much. All nodes together: {nodes[0]} before, "
        f"{nodes[1]} after."
    )
    if changed:
        yield "### What can be pruned changed\n\n" + _table(changed)
    smaller = [row for row in same if _is_much_smaller(row)]
    yield "### As much can be pruned, and a third of the nodes or more is gone\n\n" + _table(smaller)
    others = ", ".join(row["name"] for row in same if not _is_much_smaller(row))
    yield f"### Little or nothing happened\n\n{others}."
    refused = [row for row in figures["models"] if "refused" in row]
    if refused:
        yield "### Refused\n\n" + "\n".join(f"* {row['name']}: {row['refused']}" for row in refused)


def _moved(row: Row) -> float:
    """Return how much more can be pruned: of the MACs, of the parameters, or in dims, whichever changed."""
    shares = [row[key]["after"] - row[key]["before"] for key in ("prunable_macs", "prunable_params")]
    dims: int = row["dims"]["after"] - row["dims"]["before"]
    return next((share for share in shares if abs(share) >= NOISE), dims)


def _is_much_smaller(row: Row) -> bool:
    return bool(row["nodes"]["after"] <= 2 / 3 * row["nodes"]["before"])


def _is_changed(row: Row) -> bool:
    return _moved(row) != 0


def _table(rows: Sequence[Row]) -> str:
    heads = "model|nodes|dims|MACs prunable, %|parameters prunable, %|BatchNorms|MB|error|s".split("|")
    lines = [heads, ["---"] * len(heads), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> list[str]:
    return [
        row["name"],
        _pair(row["nodes"], "{}"),
        _pair(row["dims"], "{}"),
        _pair(row["prunable_macs"], "{:.2f}", 100),
        _pair(row["prunable_params"], "{:.2f}", 100),
        _pair(row["batch_norms"], "{}") if row["batch_norms"]["before"] else "",
        _pair(row["bytes"], "{:.2f}", 1e-6),
        f"{row['outputs']['error']:.0e}" if row["outputs"]["error"] else "0",
        f"{row['seconds']:.1f}",
    ]


def _pair(values: dict[str, float], form: str, scale: float = 1) -> str:
    before, after = (form.format(values[when] * scale if scale != 1 else values[when]) for when in ("before", "after"))
    return before if before == after else f"{before} -> {after}"


if __name__ == "__main__":
    sys.exit(main())
