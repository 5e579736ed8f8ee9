"""Nodes against what onnx knows of their operators: how many inputs and outputs, and attributes of which types.

What onnx does not know, such as operators of onnxruntime or of later versions, is left to their rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx
from onnx import AttributeProto, defs

from onnxprune.errors import ModelError
from onnxprune.wellformed.words import plain, shown

SINGLE = defs.OpSchema.FormalParameterOption.Single


@dataclass(frozen=True)
class Slots:
    """The inputs or outputs of an operator: how many there can be, and the names of those that must be there."""

    kind: str
    least: int
    most: int
    needed: tuple[str | None, ...]

    def check(self, names: Sequence[str]) -> None:
        """Refuse what an operator cannot have, or must not lack."""
        if not self.least <= len(names) <= self.most:
            raise ModelError(f"it has {len(names)} {self.kind}s, and its operator {self._wanted()}")
        for name, needed in zip(names, self.needed, strict=False):
            if not name and needed is not None:
                raise ModelError(f"its {self.kind} {shown(needed)} is missing")

    def _wanted(self) -> str:
        if self.least == self.most:
            return f"has {self.least}"
        return f"at least {self.least}" if len(self.needed) < self.most > 1000 else f"{self.least} to {self.most}"


@dataclass(frozen=True)
class Operator:
    """What onnx knows of one operator."""

    inputs: Slots
    outputs: Slots
    kinds: dict[str, int]
    required: tuple[str, ...]

    @staticmethod
    def of(schema: defs.OpSchema) -> Operator:
        """Return what matters of a schema."""
        known = schema.attributes
        kinds = {name: _kind(each.type) for name, each in known.items()}
        return Operator(
            Slots("input", schema.min_input, schema.max_input, _needed(schema.inputs)),
            Slots("output", schema.min_output, schema.max_output, _needed(schema.outputs)),
            kinds,
            tuple(name for name, each in known.items() if each.required),
        )

    def check(self, node: onnx.NodeProto) -> None:
        """Refuse a node that lacks what the operator must have, or has it in another form."""
        self.inputs.check(node.input)
        self.outputs.check(node.output)
        given = {attribute.name: attribute.type for attribute in node.attribute}
        for name in self.required:
            if name not in given:
                raise ModelError(f"its attribute {shown(name)} is missing")
        for name, kind in given.items():
            if kind != self.kinds.get(name, kind):
                wanted = AttributeProto.AttributeType.Name(self.kinds[name])
                raise ModelError(f"its attribute {shown(name)} is not of the type {wanted}")


class Operators:
    """The operators that nodes of a graph may mean: those of the imported versions, but for functions of the model."""

    def __init__(self, imports: Iterable[onnx.OperatorSetIdProto], functions: Iterable[onnx.FunctionProto]) -> None:
        self._versions = {plain(entry.domain): entry.version for entry in imports}
        self._known: dict[tuple[str, str], Operator | None] = {
            (plain(function.domain), function.name): None for function in functions
        }

    def check(self, node: onnx.NodeProto) -> bool:
        """Refuse a node that lacks what its operator must have; return whether onnx knows the operator."""
        key = plain(node.domain), node.op_type
        if key not in self._known:
            self._known[key] = self._found(*key)
        operator = self._known[key]
        if operator is not None:
            operator.check(node)
        return operator is not None

    def _found(self, domain: str, op_type: str) -> Operator | None:
        try:
            schema = defs.get_schema(op_type, self._versions[domain], domain)
        except (defs.SchemaError, KeyError):
            return None
        return None if schema.deprecated else Operator.of(schema)


def _needed(formal: Iterable[defs.OpSchema.FormalParameter]) -> tuple[str | None, ...]:
    return tuple(parameter.name if parameter.option == SINGLE else None for parameter in formal)


def _kind(of_schema: defs.OpSchema.AttrType) -> int:
    """Return the type of an attribute as nodes have it, from an enumeration of onnx's own, `AttrType.INT`."""
    return AttributeProto.AttributeType.Value(str(of_schema).rpartition(".")[2])
