"""Widths: how many channels the kernels of a runtime take at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onnxprune.readiness.requirements.registry import listed, requirement
from onnxprune.readiness.subject import Subject
from onnxprune.readiness.verdict import Observation
from onnxprune.select.widths import width_of_this_machine
from onnxprune.targets.target import OF_THIS_MACHINE


@requirement("widths")
def widths(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that the channel counts of weights above {"multiple"} are multiples of it."""
    asked = value["multiple"]
    multiple = width_of_this_machine() if asked == OF_THIS_MACHINE else int(asked)
    counts = [(name, count) for name, count in _channels(subject) if count > multiple]
    off = [f"{name} {count}" for name, count in counts if count % multiple]
    details = {"multiple": multiple, "counts": len(counts), "off": len(off)}
    if off:
        found = f"{len(off)} of {len(counts)} channel counts are no multiples of {multiple}: {listed(off)}"
        return Observation(False, found, details=details)
    return Observation(True, f"all {len(counts)} channel counts are multiples of {multiple}", details=details)


def _channels(subject: Subject) -> Iterator[tuple[str, int]]:
    """Yield the input channels and the outputs of every weight, by the weight's name and the axis."""
    for (scope, name), uses in subject.weights.items():
        dims = subject.plain.constants[scope, name].dims
        for axis in sorted({axis for use in uses for axis in (use.inputs, use.outs) if axis is not None}):
            yield f"{scope}{name}[{axis}]", dims[axis]
