"""Which layers come after which: layers of the same depth do not depend on each other."""

from __future__ import annotations

from collections.abc import Iterable

from onnxprune.linear.layer import Layer
from onnxprune.model import Model, tensors_read


def by_depth(model: Model, found: Iterable[Layer]) -> list[list[Layer]]:
    """Group layers by the number of other layers that must be passed to reach them, the first group first."""
    waiting = {layer.output: layer for layer in found}
    passed: dict[str, int] = {}
    depths: dict[int, list[Layer]] = {}
    for node in model.proto.graph.node:
        outputs = [name for name in node.output if name]
        depth = max((passed[name] for name in tensors_read(node) if name in passed), default=0)
        layer = waiting.get(outputs[0]) if outputs else None
        if layer is not None:
            depths.setdefault(depth, []).append(layer)
            depth += 1
        passed.update(dict.fromkeys(outputs, depth))
    return [group for _, group in sorted(depths.items())]
