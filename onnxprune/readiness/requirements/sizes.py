"""Sizes of tensors: which may be open, and whether what is stored and declared agrees with what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from onnxprune.model import enclosing_scopes
from onnxprune.readiness.requirements.registry import listed, requirement
from onnxprune.readiness.subject import Placed, Subject
from onnxprune.readiness.verdict import Observation
from onnxprune.shapes import Shape, shape_of


@requirement("shapes")
def shapes(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that no sizes of the inputs are open but those that may be: {"open": "none" | "batch" | "any"}."""
    allowed = {"none": 0, "batch": 1}.get(value["open"])
    opened = dict(_opened(subject))
    flaws = [name for name, axes in opened.items() if allowed is not None and (axes is None or max(axes) >= allowed)]
    shown = listed([f"{name} {_shown(subject, name)}" for name in (flaws or opened)])
    if flaws:
        return Observation(False, f"open sizes of inputs: {shown}", details={"inputs": flaws})
    return Observation(True, f"open sizes of inputs may be: {shown}" if opened else "all sizes of the inputs are fixed")


def _opened(subject: Subject) -> Iterator[tuple[str, list[int] | None]]:
    """Yield the inputs with open sizes and the axes of those; None where not even the rank is known."""
    for info in subject.inputs:
        shape = shape_of(info)
        if shape is None:
            yield info.name, None
        elif axes := [axis for axis, length in enumerate(shape) if not isinstance(length, int)]:
            yield info.name, axes


def _shown(subject: Subject, name: str) -> str:
    shape = next(shape_of(info) for info in subject.inputs if info.name == name)
    return "of unknown rank" if shape is None else "x".join(str(length or "?") for length in shape)


@requirement("sizes_agree")
def sizes_agree(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that no size that is stored in the graph contradicts what follows from the inputs."""
    flaws = dict(_stale_reshapes(subject))
    if flaws:
        return Observation(False, listed(list(flaws.values())), tuple(flaws))
    return Observation(True, "no stored size contradicts the shapes")


@requirement("declared_shapes")
def declared_shapes(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that no shape that is merely declared contradicts what follows from the inputs."""
    flaws = dict(_stale_declarations(subject))
    if flaws:
        return Observation(False, listed(list(flaws.values())), details={"tensors": list(flaws)})
    if not subject.inferred.consistent:
        return Observation(False, "onnx's shape inference finds shapes that contradict each other")
    return Observation(True, "no declared shape contradicts another")


def _stale_reshapes(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield nodes that reshape to another number of elements than they get."""
    for placed in subject.nodes:
        if placed.operator == "Reshape":
            given, wanted = _volume(subject.shape(placed.scope, placed.node.input[0])), _stored_volume(subject, placed)
            if given is not None and wanted is not None and given != wanted:
                yield placed.name, f"{placed.name} reshapes {given} elements to {wanted}"


def _volume(shape: Shape | None) -> int | None:
    if shape is None or not all(isinstance(length, int) for length in shape):
        return None
    return prod(length for length in shape if isinstance(length, int))


def _stored_volume(subject: Subject, placed: Placed) -> int | None:
    """Return how many elements a Reshape asks for, where its target is stored and says so without 0 and -1."""
    keys = ((outer, placed.node.input[1]) for outer in enclosing_scopes(placed.scope))
    tensor = next((subject.plain.constants[key] for key in keys if key in subject.plain.constants), None)
    if tensor is None:
        return None
    sizes = [int(length) for length in subject.plain.array(tensor).ravel()]
    return None if min(sizes, default=1) < 1 else prod(sizes)


def _stale_declarations(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield values whose declared shape is another than the one that follows."""
    for scope, graph in subject.plain.graphs.items():
        for info in (*graph.value_info, *graph.output):
            declared, found = shape_of(info), subject.inferred.shapes.get(f"{scope}{info.name}")
            if declared is not None and found is not None and _differ(declared, found):
                yield info.name, f"'{info.name}' is declared as {_words(declared)} and is {_words(found)}"


def _differ(declared: Shape, found: Shape) -> bool:
    if len(declared) != len(found):
        return True
    pairs = zip(declared, found, strict=True)
    return any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs)


def _words(shape: Shape) -> str:
    return "x".join(str(length or "?") for length in shape) or "a scalar"
