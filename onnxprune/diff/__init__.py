"""What changed between two models, tensor by tensor and node by node.

`values` reads tensors some at a time, `tensors` and `nodes` say what became of each, `graphs` which of them go
together, and `declarations` what the models say of themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnxprune.diff.change import Change
from onnxprune.diff.declarations import declared, described
from onnxprune.diff.graphs import graphs_side_by_side
from onnxprune.diff.nodes import NodeDiff, nodes_side_by_side
from onnxprune.diff.tensors import Holder, TensorDiff, tensors_side_by_side
from onnxprune.model import ConstantKey, Model
from onnxprune.sparse_storage import to_dense


@dataclass(frozen=True)
class Diff:
    """All that is different between two models, and the tensors that are not."""

    before: Path
    after: Path
    same_file: bool
    """Whether the two files are the same bytes; data beside them is not part of that."""
    tensors: tuple[TensorDiff, ...]
    nodes: tuple[NodeDiff, ...]
    inputs: dict[str, Change]
    outputs: dict[str, Change]
    model: dict[str, Change]

    @property
    def is_empty(self) -> bool:
        """Whether nothing that is compared is different."""
        kept = all(tensor.status == "same" for tensor in self.tensors)
        return kept and not (self.nodes or self.inputs or self.outputs or self.model)

    @property
    def touched(self) -> tuple[str, ...]:
        """The nodes that are others now or read a tensor that is."""
        changed = [node.place + node.name for node in self.nodes]
        reading = [name for tensor in self.tensors if tensor.status != "same" for name in tensor.nodes]
        return tuple(dict.fromkeys([*changed, *reading]))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "before": str(self.before),
            "after": str(self.after),
            "different": not self.is_empty,
            "same_file": self.same_file,
            "tensors": [tensor.as_dict() for tensor in self.tensors],
            "nodes": [node.as_dict() for node in self.nodes],
            "nodes_touched": list(self.touched),
            **{
                name: {key: change.as_dict() for key, change in getattr(self, name).items()}
                for name in ("inputs", "outputs", "model")
            },
        }


def diff_models(before: Path, after: Path) -> Diff:
    """Return what changed between two model files. Raises `ModelError` where one cannot be read.

    The calls of a model's own functions are replaced by their bodies first. The order of nodes, notes on them, and
    declared shapes of what they compute are not compared.
    """
    files = Model.load(before), Model.load(after)
    found = [file.inlined() for file in files]
    old, new = (to_dense(model) for model in found)
    graphs = list(graphs_side_by_side(old, new))
    here, there = (
        Holder.of(
            model, _sparse(source), {scope: pair.place for pair in graphs if (scope := pair.scopes[side]) is not None}
        )
        for side, (model, source) in enumerate(zip((old, new), found, strict=True))
    )
    return Diff(
        before,
        after,
        files[0].sha256 == files[1].sha256,
        tuple(tensor for pair in graphs for tensor in tensors_side_by_side(here, there, pair)),
        tuple(node for pair in graphs for node in nodes_side_by_side(old, new, pair)),
        declared(old, new, "input"),
        declared(old, new, "output"),
        described(*files),
    )


def _sparse(model: Model) -> Iterator[ConstantKey]:
    """Yield the tensors that are stored as values and their places."""
    for scope, graph in model.graphs.items():
        yield from ((scope, tensor.values.name) for tensor in graph.sparse_initializer)
        for node in graph.node:
            if any(attribute.name == "sparse_value" for attribute in node.attribute):
                yield scope, node.output[0]
