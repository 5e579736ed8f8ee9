"""Concrete input shapes: usual sizes for what a model leaves open, to run it and to count its MACs at."""

from __future__ import annotations

from collections.abc import Mapping

from onnxprune.model import Model
from onnxprune.shapes import Shape, infer, shape_of

IMAGE_SIDES = ((224, 224), (48, 320), (640, 640), (64, 64))
LINE_LENGTHS = (320, 64)
SEQUENCE_LENGTHS = (16, 512, 64, 576)
"""The first of each is tried first, then the next where the model is not consistent or does not run at it."""

ATTEMPTS = max(len(IMAGE_SIDES), len(LINE_LENGTHS), len(SEQUENCE_LENGTHS))


def concrete_inputs(
    model: Model, given: Mapping[str, tuple[int, ...]] | None = None, attempt: int = 0
) -> dict[str, tuple[int, ...]]:
    """Return a shape for every graph input, the same size wherever the model uses the same name for it.

    The batch is 1; the open sides of an image, the length of a line of text and of a sequence take usual sizes,
    of which `attempt` counts through alternatives. `given` overrides whole shapes by input name.
    """
    stored = {tensor.name for tensor in model.proto.graph.initializer}
    shapes = {i.name: shape_of(i) or () for i in model.proto.graph.input if i.name not in stored}
    named: dict[str, int] = {}
    for shape in shapes.values():
        for symbol, length in zip(shape, _filled(shape, attempt), strict=True):
            if isinstance(symbol, str):
                named.setdefault(symbol, length)
    return {name: (given or {}).get(name) or _concrete(shape, named, attempt) for name, shape in shapes.items()}


def usual_inputs(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the first of the usual input shapes that inference finds consistent."""
    for attempt in range(ATTEMPTS):
        inputs = concrete_inputs(model, attempt=attempt)
        if infer(model, inputs).consistent:
            return inputs
    return concrete_inputs(model)


def _concrete(shape: Shape, named: Mapping[str, int], attempt: int) -> tuple[int, ...]:
    filled = zip(shape, _filled(shape, attempt), strict=True)
    return tuple(named[symbol] if isinstance(symbol, str) else length for symbol, length in filled)


def _filled(shape: Shape, attempt: int) -> tuple[int, ...]:
    open_places = [place for place, length in enumerate(shape) if not isinstance(length, int)]
    batch = _batch_place(shape, open_places)
    sides = _sides(len(shape), [place for place in open_places if place != batch], attempt)
    return tuple(
        length if isinstance(length, int) else 1 if place == batch else sides[place % 2]
        for place, length in enumerate(shape)
    )


def _batch_place(shape: Shape, open_places: list[int]) -> int | None:
    """Return the open axis that counts samples: the first, unless a fixed batch of 1 or an image comes before it."""
    if not open_places:
        return None
    before = shape[: open_places[0]]
    is_image_without_batch = len(before) == 1 and len(open_places) > 1
    return None if 1 in before or is_image_without_batch else open_places[0]


def _sides(rank: int, open_places: list[int], attempt: int) -> tuple[int, int]:
    if rank >= 3 and len(open_places) >= 2 and open_places[-2:] == [rank - 2, rank - 1]:
        height, width = IMAGE_SIDES[attempt % len(IMAGE_SIDES)]
        return (height, width) if rank % 2 == 0 else (width, height)
    lengths = LINE_LENGTHS if rank == 4 else SEQUENCE_LENGTHS
    return (lengths[attempt % len(lengths)],) * 2
