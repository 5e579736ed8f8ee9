"""The tables of docs/quantization.md, of what the two tools measured that it names.

python tools/quantization_tables.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from latency_tables import table
from prune_and_quantize import DENSE, MULTIPLIED, in_units, remaining

OUT = Path(__file__).parents[1] / "docs" / "bench_quantization.json"
PAGE = OUT.with_name("quantization.md")
BEGIN, END = "<!-- tables: made by tools/quantization_tables.py -->", "<!-- end of the tables -->"


def gains(name: str, row: dict[str, Any]) -> str:
    """Return what each of four models has of the dense one."""
    lines = []
    for kind, figures in row["models"].items():
        shares = [f"{remaining(row['models'], kind, measure):.3f}" for measure in MULTIPLIED]
        right = "-" if figures["accuracy"] is None else f"{figures['accuracy']:.2%}"
        lines.append([kind, *(in_units(figures) if kind == DENSE else shares), right])
    lines.append(["product of the two", *(f"{found['product']:.3f}" for found in row["products"].values()), ""])
    heads = [f"`{name}`", "size", "compressed", "MACs", "latency", "accuracy"]
    return table(heads, lines)


def order(found: dict[str, Any]) -> str:
    """Return the accuracy of either order."""
    lines = [
        [f"`{name}`", f"{float(amount):.0%}", *(f"{value:.2%}" for value in row.values())]
        for name, rows in found.items()
        for amount, row in rows.items()
    ]
    after = ("by default", "`--criterion variance`", "`--calibration none`")
    heads = ["model", "MACs removed", "**pruned, then quantized**", *(f"quantized, then pruned {how}" for how in after)]
    return table(heads, lines)


def main() -> None:
    """Put the tables into the page, between the two marks there."""
    found = json.loads(OUT.read_text())
    machine = found["machine"]
    where = (
        f"Machine: {machine['processor']}, {machine['cores']} logical cores, onnxruntime {machine['onnxruntime']}, "
        f"onnx {machine['onnx']}, onnxprune {machine['onnxprune']}.\nOne thread, CPU time."
    )
    sections = [where, *(gains(name, row) for name, row in found["rows"].items()), order(found["order"])]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(sections) + f"\n\n{END}{after}")


if __name__ == "__main__":
    main()
