"""Parts of a model: the nodes between some tensors and others, as a model of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

import onnx
from onnx import helper

from onnxprune.model import Model, tensors_read

CHANCE = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
"""Operators that give something else each time they are run."""

CHOOSING = frozenset(
    "ArgMax ArgMin Bernoulli Compress Hardmax Multinomial NonMaxSuppression NonZero TopK Unique".split()
)
"""Operators that choose: a small change of their input can tip the balance, and something else stands at a place."""


class Parts:
    """The main graph of a model, seen by who reads and who makes which tensor."""

    def __init__(self, model: Model, types: Mapping[str, int], fed: Collection[str] = ()) -> None:
        """`types` holds the element types of tensors by name, as far as they are known.

        An initializer is no constant where it is among the inputs that are `fed`.
        """
        self.model = model
        self._types = types
        self.stored = {tensor.name for tensor in model.proto.graph.initializer}.difference(fed)

    @cached_property
    def reads(self) -> list[tuple[str, ...]]:
        """Per node, what it and the graphs inside it read from the main graph, without initializers."""
        return [
            tuple(name for name in dict.fromkeys(tensors_read(node)) if name not in self.stored)
            for node in self.model.proto.graph.node
        ]

    @cached_property
    def makers(self) -> dict[str, int]:
        """Tensor -> the index of the node that makes it."""
        return {name: index for index, node in enumerate(self.model.proto.graph.node) for name in node.output if name}

    @cached_property
    def constant(self) -> set[str]:
        """The tensors that follow from stored constants alone."""
        found: set[str] = set()
        for node, reads in zip(self.model.proto.graph.node, self.reads, strict=True):
            if found.issuperset(reads) and node.op_type not in CHANCE:
                found.update(node.output)
        return found

    def between(self, known: Collection[str], wanted: Iterable[str]) -> list[int]:
        """Return the fewest nodes that compute `wanted` out of what is `known`, in order."""
        needed: set[int] = set()
        open_names = [name for name in wanted if name not in known]
        while open_names:
            index = self.makers.get(open_names.pop())
            if index is not None and index not in needed:
                needed.add(index)
                open_names += [name for name in self.reads[index] if name not in known]
        return sorted(needed)

    def cut(self, known: Collection[str], done: Collection[int]) -> list[str]:
        """Return what nodes that are not `done` read of what is `known` or made by those that are, constants apart."""
        nodes = self.model.proto.graph.node
        there = {name for index in done for name in nodes[index].output}.union(known)
        read = {name for index, reads in enumerate(self.reads) if index not in done for name in reads}
        return sorted((there & read) - self.constant)

    def part(self, nodes: Sequence[int], outputs: Sequence[str]) -> tuple[Model, list[str]]:
        """Return some nodes as a model that returns `outputs`, and the names of what has to be fed."""
        graph = self.model.proto.graph
        made = {name for index in nodes for name in graph.node[index].output}
        inputs = list(dict.fromkeys(name for index in nodes for name in self.reads[index] if name not in made))
        part = onnx.ModelProto(ir_version=self.model.proto.ir_version)
        part.opset_import.extend(self.model.proto.opset_import)
        part.graph.name = graph.name or "part"
        part.graph.node.extend(graph.node[index] for index in nodes)
        read = {name for index in nodes for name in tensors_read(graph.node[index])} & self.stored
        part.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in read)
        part.graph.input.extend(self._info(name) for name in inputs)
        if part.ir_version < 4:  # every initializer has to be an input, too
            stored = part.graph.initializer
            part.graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in stored)
        part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        return Model(part, self.model.path), inputs

    def _info(self, name: str) -> onnx.ValueInfoProto:
        given = next((info for info in self.model.proto.graph.input if info.name == name), None)
        if given is not None:
            return given
        return helper.make_tensor_value_info(name, self._types.get(name) or onnx.TensorProto.FLOAT, None)
