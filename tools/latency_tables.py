"""The tables of docs/benchmarks.md about latency, made of what tools/bench_latency.py measured.

python tools/latency_tables.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Rows = dict[str, Any]
OUT = Path(__file__).parents[1] / "docs" / "bench_latency.json"
PAGE = OUT.with_name("benchmarks.md")
BEGIN, END = "<!-- tables of latency: made by tools/latency_tables.py -->", "<!-- end of the tables of latency -->"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows))


def landing(found: Rows) -> str:
    """Return how closely half of the latency was met."""
    rows = [
        [
            name,
            f"{row['dense_ms']:.3g}",
            f"{row['predicted']:.3f}",
            f"{row['first']['value']:.3f}",
            f"**{row['value']:.3f}** ({row['low']:.3f} to {row['high']:.3f})",
            f"{row['noise']:.1%}",
            f"{row['macs']:.3f}",
            "-" if row["profiling_seconds"] is None else f"{row['profiling_seconds']:.0f}",
            f"{row['select_cpu_seconds']:.2f}",
        ]
        for name, row in found.items()
    ]
    heads = "model|dense, ms|predicted|first choice|in the end|noise|MACs|profiling, s|selecting, CPU s"
    return table(heads.split("|"), rows)


def widths(found: Rows) -> str:
    """Return what half of the MACs is in time, in round widths and in any."""
    rows = []
    for name, row in found.items():
        auto, none = row["auto"], row["none"]
        rows.append(
            [
                name,
                f"{row['dense_ms']:.3g}",
                f"{auto['macs']:.3f}",
                f"{auto['value']:.3f}",
                f"{auto['value'] / auto['macs']:.2f}",
                f"{none['macs']:.3f}",
                f"{none['value']:.3f}",
                f"{none['value'] / none['macs']:.2f}",
                f"{auto['noise']:.1%}",
            ]
        )
    heads = "model|dense, ms|MACs, auto|latency, auto|latency / MACs|MACs, none|latency, none|latency / MACs|noise"
    return table(heads.split("|"), rows)


def accuracy(found: Rows) -> Iterator[str]:
    """Yield, for each model, what is left of its accuracy at one latency by several ways."""
    names = dict.fromkeys(key.split(" ")[0] for key in found)
    heads = "latency wanted|way|latency|MACs|not repaired|BatchNorm estimated again|repaired".split("|")
    for name in names:
        mine = {key: row for key, row in found.items() if key.split(" ")[0] == name}
        dense = next(iter(mine.values()))["dense"]
        yield f"### {name}: accuracy in percent at the same latency, dense {dense:.1%}".rstrip("%")
        yield table(
            heads, [_way(row["wanted"], way, cells) for row in mine.values() for way, cells in row["ways"].items()]
        )


def _way(wanted: float, way: str, row: Rows) -> list[str]:
    left = row.get("accuracy", {})
    shown = [f"{left[name]:.1%}".rstrip("%") if name in left else "-" for name in ("none", "batchnorm", "auto")]
    return [f"{wanted}", way, f"{row['value']:.3f}", f"{row['macs']:.3f}", *shown]


def main() -> None:
    """Put the tables into docs/benchmarks.md, between the two marks there."""
    found = json.loads(OUT.read_text())
    measured = {part: {name: row for name, row in rows.items() if "error" not in row}
                for part, rows in found.items() if part != "machine"}  # fmt: skip
    sections = [
        "### Half of the latency: what was predicted, and what was measured",
        landing(measured["landing"]),
        "### Half of the MACs: `--round-to auto` and `none`",
        widths(measured["macs"]),
        *accuracy(measured["accuracy"]),
    ]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(sections) + f"\n\n{END}{after}")


if __name__ == "__main__":
    main()
