"""The table of measured times: by machine, by threads, and by what a node is."""

from __future__ import annotations

import json
from bisect import insort
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from onnxprune.errors import DataError
from onnxprune.files import write_files
from onnxprune.machine import Machine
from onnxprune.reading import Entry, json_of
from onnxprune.reading.entries import is_number

SCHEMA = "onnxprune-latency/1"

ADVICE = "; make a latency profile with `onnxprune profile`"

POINTS = "a list of as many widths each, from 1 up, and microseconds, such as [[[8, 8], 1.5]]"


@dataclass
class Row:
    """What was measured of nodes that are alike: at which widths of their dims, and how many microseconds each took."""

    operator: str
    points: list[tuple[list[int], float]] = field(default_factory=list)


@dataclass
class Table:
    """Rows by signature, for one machine and a number of threads."""

    machine: Machine
    threads: int
    rows: dict[str, Row] = field(default_factory=dict)

    def add(self, signature: str, operator: str, widths: list[int], microseconds: float) -> None:
        """Note one measurement: points stand in the order of their widths, whichever was measured first."""
        row = self.rows.setdefault(signature, Row(operator))
        insort(row.points, (widths, round(microseconds, 2)))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, in an order that does not depend on that of measuring."""
        rows = {signature: asdict(self.rows[signature]) for signature in sorted(self.rows)}
        return {"schema": SCHEMA, "machine": asdict(self.machine), "threads": self.threads, "nodes": rows}

    def save(self, path: Path) -> None:
        """Write the table as JSON, replacing what was there. Raises `OutputError`."""
        text = json.dumps(self.as_dict()) + "\n"
        write_files({path: lambda stream: stream.write(text.encode())}, overwrite=True)

    def merge(self, other: Table) -> None:
        """Take what another table has measured besides."""
        for signature, row in other.rows.items():
            own = self.rows.setdefault(signature, Row(row.operator))
            known = Counter(map(str, own.points))
            for point in row.points:
                known[str(point)] -= 1
                if known[str(point)] < 0:
                    insort(own.points, point)

    @staticmethod
    def load(path: Path) -> Table:
        """Read a table. Raises `DataError` for what is none."""
        data = json_of(path, DataError, ADVICE)
        try:
            entry = Entry(data)
            if entry.text("schema") != SCHEMA:
                raise DataError(
                    f"{path}: a latency profile of another version ({data['schema']}, not {SCHEMA}){ADVICE}"
                )
            rows = {name: _row(Entry(row, f"nodes.{name}")) for name, row in entry.object("nodes").items()}
            return Table(_machine(Entry(entry.object("machine"), "machine")), entry.count("threads"), rows)
        except ValueError as error:
            raise DataError(f"{path}: not a latency profile ({error}){ADVICE}") from None


def _machine(entry: Entry) -> Machine:
    entry.check_keys([known.name for known in fields(Machine)])
    return Machine(entry.text("processor"), entry.count("cores"), entry.text("onnxruntime"))


def _row(entry: Entry) -> Row:
    operator = entry.get("operator", "a text", lambda value: isinstance(value, str))
    points = entry.get("points", POINTS, lambda value: isinstance(value, list) and _are_points(value))
    return Row(operator, sorted((widths, float(us)) for widths, us in points))


def _are_points(values: list[Any]) -> bool:
    """Whether values are widths and times.

    What a run takes around its nodes may come out below 0: the profiler makes each node take a little longer.
    """
    are_pairs = all(isinstance(value, list) and len(value) == 2 and isinstance(value[0], list) for value in values)
    return (
        are_pairs
        and len({len(widths) for widths, _ in values}) == 1
        and all(type(width) is int and width > 0 for widths, _ in values for width in widths)
        and all(is_number(us) for _, us in values)
    )
