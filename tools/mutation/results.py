"""What became of each mutant: kept as it comes, and shown as a score."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mutants import Mutant
from rich.table import Table

EQUIVALENT = Path(__file__).with_name("equivalent.json")
CAUGHT = ("killed", "timeout")
Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """A file of lines of JSON; of the lines about a mutant one by which it was caught counts, or else the last."""

    root: Path
    path: Path
    tests: str

    def add(self, mutant: Mutant, outcome: str) -> None:
        """Write down what became of a mutant."""
        row = {"key": self._key(mutant), "outcome": outcome, "tests": self.tests}
        with self.path.open("a") as file:
            file.write(f"{json.dumps(row)}\n")

    def missing(self, mutants: Iterable[Mutant]) -> list[Mutant]:
        """Return the mutants to be tried: not yet tried, or missed by other tests than there are now.

        Those that are listed as equivalent are not: they would run every test.
        """
        known = self._known()
        left = [mutant for mutant in mutants if not self._stands(known.get(self._key(mutant)))]
        return [mutant for mutant in left if self._excuse(mutant) is None]

    def rows(self, mutants: Iterable[Mutant]) -> list[Row]:
        """Return what became of mutants, with what they change."""
        known = self._known()
        rows = []
        for mutant in mutants:
            row = {"file": mutant.file, "line": mutant.line, "operator": mutant.operator.partition("/")[2]}
            row["outcome"] = known.get(self._key(mutant), {}).get("outcome", "not tried")
            if row["outcome"] not in CAUGHT:
                reason = self._excuse(mutant)
                row |= dict(zip(("before", "after"), mutant.change(self.root), strict=True))
                row |= {"outcome": "equivalent", "reason": reason} if reason else {}
            rows.append(row)
        return rows

    def _excuse(self, mutant: Mutant) -> str | None:
        """Return why a mutant behaves as the code does, where that is listed."""
        line = (self.root / mutant.file).read_text().splitlines()[mutant.line - 1].strip()
        if not any(file == mutant.file and line in before for file, before, _ in self.excuses):
            return None  # as almost always, and making the mutant takes time
        return self.excuses.get((mutant.file, *mutant.change(self.root)))

    @cached_property
    def excuses(self) -> dict[tuple[str, str, str], str]:
        """Why some mutants behave as the code does, by file, line before and line after."""
        entries = json.loads(EQUIVALENT.read_text())
        return {(entry["file"], entry["before"], entry["after"]): entry["reason"] for entry in entries}

    def _stands(self, row: Row | None) -> bool:
        return row is not None and (row["outcome"] in CAUGHT or row["tests"] == self.tests)

    def _known(self) -> dict[str, Row]:
        if not self.path.exists():
            return {}
        rows = sorted(map(json.loads, self.path.read_text().splitlines()), key=lambda row: row["outcome"] in CAUGHT)
        return {row["key"]: row for row in rows}

    def _key(self, mutant: Mutant) -> str:
        return f"{mutant.file} {digest(self.root, [mutant.file])} {mutant.operator} {mutant.occurrence}"


def digest(root: Path, files: Iterable[str]) -> str:
    """Return a short name for what is in some files."""
    content = hashlib.sha256()
    for file in files:
        content.update((root / file).read_bytes())
    return content.hexdigest()[:12]


def write_page(path: Path, part: str, about: Row, rows: Sequence[Row]) -> None:
    """Put the score of one part into the file of all."""
    page = json.loads(path.read_text()) if path.exists() else {}
    by_file = {file: summary(of_file) for file, of_file in _by_file(rows).items()}
    left = [row for row in rows if row["outcome"] not in CAUGHT]
    versions = {name: version(name) for name in ("cosmic-ray", "hypothesis", "numpy", "onnx", "onnxruntime")}
    page[part] = about | summary(rows) | {"versions": versions, "files": by_file, "not_caught": left}
    path.write_text(f"{json.dumps(dict(sorted(page.items())), indent=1)}\n")


def summary(rows: Sequence[Row]) -> Row:
    """Return the counts of outcomes, the share caught of all, and the share caught of those that can be."""
    outcomes = Counter(row["outcome"] for row in rows)
    caught = sum(outcomes[outcome] for outcome in CAUGHT)
    can_be = len(rows) - outcomes["equivalent"]
    scores = {"score": round(caught / len(rows), 4), "score_without_equivalent": round(caught / max(can_be, 1), 4)}
    return {"tried": len(rows), **dict(outcomes.most_common()), **scores}


def table(rows: Sequence[Row]) -> Table:
    """Return the counts by file, for a terminal."""
    shown = Table("file", "mutants", "killed", "timeout", "survived", "not reached", "equivalent", "score")
    lines = {**_by_file(rows), "all": rows}
    for file, of_file in lines.items():
        counts = summary(of_file)
        outcomes = ("killed", "timeout", "survived", "not reached", "equivalent")
        numbers = [str(counts.get(outcome, 0)) for outcome in outcomes]
        shown.add_row(file, str(len(of_file)), *numbers, f"{counts['score']:.1%}")
    return shown


def _by_file(rows: Sequence[Row]) -> dict[str, list[Row]]:
    files = defaultdict(list)
    for row in rows:
        files[row["file"]].append(row)
    return dict(files)
