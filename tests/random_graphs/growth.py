"""A graph that grows by one drawn step at a time, and the tables of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import onnx
from graphs import Graph
from onnx import helper

WIDEST = 24
"""A step that would make an image wider than this hands on what it was given."""

FAR = 2**62
"""The end of a range that goes to the end of the axis, as exporters write it."""


class Opening(NamedTuple):
    """What a graph begins with, and how it is written down.

    A `batch` of 0 is open: the model names it, and it is 1 when the graph is run. `stored` is one of
    `drawing.WAYS_TO_STORE`.
    """

    opset: int = 17
    batch: int = 2
    height: int = 4
    width: int = 4
    stored: str = "initializers"


class Growth:
    """A graph and the tensors that a step may take: images [N, C, H, W] and sequences [N, H*W, C].

    `first` is what Reshape writes for the batch of what begins with the batch: its number, or 0 where it is open.
    """

    def __init__(self, opening: Opening, seed: int) -> None:
        self.g = Graph(opening.opset, seed)
        self.first, self.batch, self.side = opening.batch, opening.batch or 1, (opening.height, opening.width)
        image = self.g.input(self.batch, 3, *self.side)
        self.images = [self.g.conv(image, width, kernel=3) for width in (6, 4)]
        self.sequences: list[str] = []

    @property
    def positions(self) -> int:
        return self.side[0] * self.side[1]

    def image(self, n: int) -> str:
        """The newest image for 0, an older one for more."""
        return self.images[-1 - n % len(self.images)]

    def sequence(self, n: int) -> str:
        """The newest sequence for 0, an older one for more; a flat image where there is none."""
        if not self.sequences:
            self.sequences.append(self.flat(self.image(n)))
        return self.sequences[-1 - n % len(self.sequences)]

    def width(self, name: str) -> int:
        """The number of channels of an image or a sequence."""
        shape = self.g.shape(name)
        return shape[1] if len(shape) == 4 else shape[-1]

    def flat(self, x: str) -> str:
        """[N, C, H, W] -> [N, H*W, C]."""
        return self.g.transpose(self.g.reshape(x, self.first, self.width(x), self.positions), 0, 2, 1)

    def square(self, x: str) -> str:
        """[N, H*W, C] -> [N, C, H, W]."""
        return self.g.reshape(self.g.transpose(x, 0, 2, 1), self.first, self.width(x), *self.side)

    def take(self, name: str) -> None:
        """File what a step made, by its shape."""
        shape, width = self.g.shape(name), self.width(name)
        assert width and shape in ((self.batch, width, *self.side), (self.batch, self.positions, width)), shape
        (self.images if len(shape) == 4 else self.sequences).append(name)

    def finish(self) -> None:
        """Put a last layer behind whatever nobody has read yet: what leads nowhere could not be checked."""
        read = {name for node in self.g.nodes for name in node.input}
        images = [x for x in dict.fromkeys(self.images) if x not in read]
        sequences = [x for x in dict.fromkeys(self.sequences) if x not in read]
        self.g.output(*(self.g.conv(x, 2, kernel=3) for x in images), *(self.g.linear(x, 2) for x in sequences))

    def declare(self, name: str, *shape: int) -> str:
        """Say the shape of a tensor whose sizes are computed in the graph, which onnx does not always follow."""
        self.g.declared.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
        return name

    def parts(self, x: str, lengths: Sequence[int], axis: int) -> list[str]:
        """Split as the opset writes it: sizes left out where they are equal.

        Before opset 18 only of two parts: onnxruntime merges two such nodes that differ in their number of outputs.
        """
        g, count = self.g, len(lengths)
        if len(set(lengths)) == 1 and (count == 2 or g.opset >= 18):
            number = {"num_outputs": count} if g.opset >= 18 else {}
            return g.nodes_of("Split", [x], count, axis=axis, **number)
        if g.opset < 13:
            return g.nodes_of("Split", [x], count, axis=axis, split=lengths)
        return g.split(x, *lengths, axis=axis)

    def reshaped_axes(self, op_type: str, x: str, *axes: int) -> str:
        """Squeeze or Unsqueeze as the opset writes it."""
        g = self.g
        return g.add(op_type, x, axes=axes) if g.opset < 13 else g.add(op_type, x, g.ints(*axes))

    def reduced(self, op_type: str, x: str, *axes: int) -> str:
        """A reduction that keeps its axes, as the opset writes it."""
        g = self.g
        by_attribute = g.opset < (13 if op_type == "ReduceSum" else 18)
        return g.add(op_type, x, axes=axes) if by_attribute else g.add(op_type, x, g.ints(*axes))


Step = Callable[[Growth, int, int, int], str]
"""Grows a graph by a layer and returns its result; the three numbers choose operands and sizes."""

STEPS: dict[str, Step] = {}
NORMS: dict[str, Step] = {}


def step(function: Step) -> Step:
    """Put a function that adds a layer into the table, under its name."""
    STEPS[function.__name__] = function
    return function


def norm(function: Step) -> Step:
    """The same for a layer that takes statistics over its channels."""
    NORMS[function.__name__] = function
    return function


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]
