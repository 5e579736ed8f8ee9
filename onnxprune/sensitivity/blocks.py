"""Blocks: the dims whose names say that they belong together.

A name is a path of modules, as a training framework gives it: `layer1.0.conv1.weight` for a weight, or
`/layer1/layer1.0/conv1/Conv` for a node, whose levels repeat those above them. The block is the path up to its first
index, or indices in a row: `layer1.0`. Without an index it is the path without its last two parts, the layer and its
weight or operator: `encoder` of `encoder.conv1.weight`.
"""

from __future__ import annotations

from onnxprune.axes import Dim
from onnxprune.tracing import Trace


def block_of(found: Trace, dim: Dim) -> str:
    """Return the block of a dim: that of the weight which has it first, in node order, or else of that weight's node.

    So a dim that runs through several blocks, such as the width of a residual stream, counts among the first. Where
    neither name speaks of a block, the dim is one by itself and the block has the dim's name.
    """
    use, _ = found.members[dim][0]
    names = (use.constant[1], found.model.node(use.slot[0]).name)
    return next(filter(None, map(block_in, names)), found.names[dim])


def block_in(name: str) -> str:
    """Return the block that a name speaks of, or nothing where it speaks of none."""
    parts = _path(name)
    start = next((place for place, part in enumerate(parts) if part.isdigit()), None)
    if start is None:
        return ".".join(parts[:-2])
    end = next((place for place in range(start, len(parts)) if not parts[place].isdigit()), len(parts))
    return ".".join(parts[:end])


def _path(name: str) -> list[str]:
    """Return the parts of a name; a level that repeats the one above it (`/a/a.0`) takes its place."""
    levels: list[str] = []
    for level in name.split("/"):
        if levels and level.startswith(f"{levels[-1]}."):
            levels.pop()
        levels += [level] if level else []
    return ".".join(levels).split(".")
