"""The table of measured times: by machine, by threads, and by what a node is."""

from __future__ import annotations

import json
import math
from bisect import insort
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from onnxprune.errors import DataError
from onnxprune.files import write_files
from onnxprune.machine import Machine

SCHEMA = "onnxprune-latency/1"


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

    @staticmethod
    def load(path: Path) -> Table:
        """Read a table. Raises `DataError` for what is none."""
        try:
            data = json.loads(path.read_text())
            if data["schema"] != SCHEMA:
                raise DataError(f"{path}: a latency profile of another version ({data['schema']}, not {SCHEMA})")
            rows = {signature: _row(row) for signature, row in data["nodes"].items()}
            return Table(Machine(**data["machine"]), int(data["threads"]), rows)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise DataError(f"{path}: not a latency profile; make one with `onnxprune profile`") from error


def _row(data: Any) -> Row:
    """Return what was read of a row. Raises `ValueError` and the like for what is none."""
    row = Row(str(data["operator"]), sorted((list(map(int, widths)), float(us)) for widths, us in data["points"]))
    lengths = {len(widths) for widths, _ in row.points}
    # What a run takes around its nodes may come out below 0: the profiler makes each node take a little longer.
    if len(lengths) != 1 or not all(min(widths, default=1) > 0 and math.isfinite(us) for widths, us in row.points):
        raise ValueError("a row has points with as many widths each, from 1 up, and finite times")
    return row


def cached(machine: Machine, threads: int) -> Path:
    """Return where the table of a machine is kept between runs."""
    from platformdirs import user_cache_path

    return user_cache_path("onnxprune") / f"latency-{machine.slug}-{threads}.json"
