"""What is known while it is being measured: begun anew or gone on with, and written to a file now and then."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnxprune.errors import DataError, OutputError
from onnxprune.sensitivity.candidates import BLOCKS, DIMS, Candidate, Subject
from onnxprune.sensitivity.file import load_sensitivity
from onnxprune.sensitivity.result import Curve, Point, Sensitivity

SECONDS = 10.0
"""How often the file is written: so much work may be lost, whatever happens to the process."""
DIGITS = 6
"""Significant digits of a drop: what float32 gives, whatever the number of threads."""


class Ledger:
    """The points that are known of a model; what is added is written to `path`, if there is one.

    `empty` says what is measured and how; `order` has all subjects that there can be, in the order of the file. What
    an earlier run has measured of others than are wanted now stays.
    """

    def __init__(self, empty: Sensitivity, order: Sequence[Subject], path: Path | None, overwrite: bool) -> None:
        """Begin with what a file has that an earlier run left. Raises `OutputError` where it does not fit."""
        self._empty, self._order, self._path = empty, order, path
        self._points: dict[tuple[str, str], dict[float, Point]] = {(part.kind, part.name): {} for part in order}
        self._saved_at, self._is_new = time.monotonic(), False
        if path is not None and path.exists() and not overwrite:
            self._take_over(_left_by_an_earlier_run(path, empty))

    def _take_over(self, found: Sensitivity) -> None:
        for kind, curves in ((DIMS, found.dims), (BLOCKS, found.blocks)):
            for curve in curves:
                if (kind, curve.name) in self._points:
                    self._points[kind, curve.name] = {point.amount: point for point in curve.points}

    def missing(self, subject: Subject, amounts: Sequence[float]) -> list[float]:
        """Return the amounts at which a subject has not been measured."""
        known = self._points[subject.kind, subject.name]
        return [amount for amount in amounts if amount not in known]

    def add(self, candidate: Candidate, drop: float) -> None:
        """Take down the drop of a candidate; write the file if that was long ago. Raises `OutputError`."""
        known = self._points[candidate.subject.kind, candidate.subject.name]
        rounded = float(f"{drop:.{DIGITS}g}")
        known.update({amount: Point(amount, candidate.kept, rounded) for amount in candidate.amounts})
        self._is_new = True
        if time.monotonic() - self._saved_at >= SECONDS:
            self.save()

    def save(self) -> None:
        """Write the file if anything has been added. Raises `OutputError`."""
        if self._path is not None and self._is_new:
            self.result().save(self._path)
            self._saved_at, self._is_new = time.monotonic(), False

    def result(self) -> Sensitivity:
        """Return all that is known; subjects of which nothing is are left out."""
        curves: dict[str, list[Curve]] = {DIMS: [], BLOCKS: []}
        for part in self._order:
            known = self._points[part.kind, part.name]
            points = tuple(known[amount] for amount in sorted(known))
            if points:
                curves[part.kind].append(Curve(part.name, part.size, part.members, points))
        return replace(self._empty, dims=tuple(curves[DIMS]), blocks=tuple(curves[BLOCKS]))


def _left_by_an_earlier_run(path: Path, empty: Sensitivity) -> Sensitivity:
    """Return what a file has. Raises `OutputError` where it cannot be gone on with."""
    remedy = "choose another name with -o, or measure all of it anew with --overwrite"
    try:
        found = load_sensitivity(path)
    except DataError as error:
        raise OutputError(f"{error}; {remedy}") from error
    if found.model.get("sha256") != empty.model["sha256"]:
        raise OutputError(f"{path}: measured on another model; {remedy}")
    there, here = _flat(found.request), _flat(empty.request)
    for key, value in here.items():
        if there.get(key) != value:
            raise OutputError(f"{path}: measured with {key} {there.get(key)!r}, and now it is {value!r}; {remedy}")
    return found


def _flat(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options and the samples as one mapping, without what only says where samples came from."""
    samples = request.get("samples")
    own = {f"samples.{key}": value for key, value in samples.items()} if isinstance(samples, dict) else {}
    flat = {**{key: value for key, value in request.items() if key != "samples"}, **own}
    flat.pop("samples.source", None)
    return flat
