"""What may be in a graph: opsets, operators, ranks, attributes, and which inputs must be stored."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import onnx
from onnx import defs, helper

from onnxprune.readiness.requirements.registry import listed, requirement
from onnxprune.readiness.subject import Placed, Subject
from onnxprune.readiness.verdict import Observation


@requirement("opsets")
def opsets(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that the opset of the default domain is within {"least", "most"}."""
    version = subject.plain.opsets.get("", 1)
    return Observation(value["least"] <= version <= value["most"], f"opset {version}", details={"opset": version})


@requirement("ir_version")
def ir_version(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that the version of the format is at most {"most"}."""
    version = subject.given.proto.ir_version
    return Observation(version <= value["most"], f"IR version {version}", details={"ir_version": version})


@requirement("functions")
def functions(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that the model has functions of its own only where they {"are_read"}."""
    own = [f"{each.domain}:{each.name}" for each in subject.given.proto.functions]
    found = f"functions of the model's own: {listed(own)}" if own else "no functions of the model's own"
    return Observation(bool(value["are_read"]) or not own, found)


@requirement("present_operators")
def present_operators(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that all of some operators, {"names"}, are in the model."""
    there = {placed.operator for placed in subject.nodes}
    missing = [name for name in value["names"] if name not in there]
    if missing:
        return Observation(False, f"there is no {' and no '.join(missing)} in the model")
    return Observation(True, f"{', '.join(value['names'])} are in the model")


@requirement("operators")
def operators(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that all operators are among {"names"}."""
    known = set(value["names"])
    others = [placed for placed in subject.nodes if placed.operator not in known]
    if not others:
        return Observation(True, f"all {len({placed.operator for placed in subject.nodes})} operators are known")
    counts = Counter(placed.operator for placed in others)
    shown = listed([f"{name} ({count} nodes)" for name, count in counts.most_common()])
    return Observation(False, f"not among the operators known: {shown}", _names(others), {"operators": dict(counts)})


@requirement("ranks")
def ranks(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that the first inputs of some operators have one of the ranks that are known: {operator: ranks}."""

    def flaw(placed: Placed) -> str | None:
        allowed = value.get(placed.operator)
        shape = subject.shape(placed.scope, placed.node.input[0]) if allowed and placed.node.input else None
        is_known = allowed is None or shape is None or len(shape) in allowed
        return None if is_known else f"{placed.operator} of rank {len(shape or ())}"

    return _flaws(subject, flaw, "all ranks are known")


@requirement("stored_inputs")
def stored_inputs(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that some inputs of some operators are stored tensors: {operator: indices}."""

    def flaw(placed: Placed) -> str | None:
        for slot in value.get(placed.operator, ()):
            name = placed.node.input[slot] if slot < len(placed.node.input) else ""
            if name and not subject.is_stored(placed.scope, name):
                return f"input {slot} of {placed.operator} is computed"
        return None

    return _flaws(subject, flaw, "all weights and constants are stored where that is needed")


@requirement("unused_outputs")
def unused_outputs(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that some outputs of some operators are not there: {operator: indices}."""

    def flaw(placed: Placed) -> str | None:
        for slot in value.get(placed.operator, ()):
            if slot < len(placed.node.output) and placed.node.output[slot]:
                return f"output {slot} of {placed.operator} is used"
        return None

    return _flaws(subject, flaw, "no output is used that is not known")


@requirement("attributes")
def attributes(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that attributes have known values, also by default: {operator: {attribute: values}}."""

    def flaw(placed: Placed) -> str | None:
        for name, allowed in value.get(placed.operator, {}).items():
            given = _attribute(placed.node, name, subject.plain.opsets)
            if given is not None and given not in allowed:
                return f"{placed.operator} with {name} {given}"
        return None

    return _flaws(subject, flaw, "all attributes have known values")


def _attribute(node: onnx.NodeProto, name: str, opsets: Mapping[str, int]) -> Any:
    """Return the value of an attribute, by default the one that the operator has; None where there is none."""
    given = next((attribute for attribute in node.attribute if attribute.name == name), None)
    if given is None:
        with contextlib.suppress(defs.SchemaError, KeyError):
            known = defs.get_schema(node.op_type, opsets[node.domain], node.domain).attributes
            given = known[name].default_value if name in known else None
    if given is None or given.type == onnx.AttributeProto.UNDEFINED:
        return None
    value = helper.get_attribute_value(given)
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _flaws(subject: Subject, flaw: Callable[[Placed], str | None], none: str) -> Observation:
    """Look for a flaw at every node; `none` says that there is none."""
    found = dict(_with_flaws(subject, flaw))
    if not found:
        return Observation(True, none)
    counts = Counter(found.values())
    shown = listed([f"{what} ({count} nodes)" for what, count in counts.most_common()])
    return Observation(False, shown, tuple(found))


def _with_flaws(subject: Subject, flaw: Callable[[Placed], str | None]) -> Iterator[tuple[str, str]]:
    for placed in subject.nodes:
        what = flaw(placed)
        if what is not None:
            yield placed.name, what


def _names(nodes: list[Placed]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(placed.name for placed in nodes))
