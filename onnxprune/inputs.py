"""Concrete input shapes: usual sizes for what a model leaves open, to run it and to count its MACs at."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from onnxprune.errors import DataError, ModelError, UsageError
from onnxprune.model import Model
from onnxprune.shapes import Shape, infer, shape_of

IMAGE_SIDES = ((224, 224), (48, 320), (640, 640), (64, 64))
LINE_LENGTHS = (320, 64)
SEQUENCE_LENGTHS = (16, 512, 64, 576)
"""The first of each is tried first, then the next where the model is not consistent or does not run at it."""

MOST_NUMBERS = 2**32
"""Numbers that an input can have; a model that says more is not meant to be run."""

ATTEMPTS = max(len(IMAGE_SIDES), len(LINE_LENGTHS), len(SEQUENCE_LENGTHS))


def concrete_inputs(
    model: Model, given: Mapping[str, tuple[int, ...]] | None = None, attempt: int = 0, batch: int | None = None
) -> dict[str, tuple[int, ...]]:
    """Return a shape for every graph input, the same size wherever the model uses the same name for it.

    The open sides of an image, the length of a line of text and of a sequence take usual sizes, of which `attempt`
    counts through alternatives. `given` overrides whole shapes by input name. The batch is 1; or it is `batch`, which
    also overrides what is given where the model leaves the first axis open.
    """
    shapes = {name: shape or () for name, shape in declared_inputs(model).items()}
    given = {name: _with_batch(lengths, shapes.get(name, ()), batch) for name, lengths in (given or {}).items()}
    filled = {name: given.get(name) or _filled(shape, attempt, batch or 1) for name, shape in shapes.items()}
    named = _sizes_of_names(shapes, filled, given, batch)
    found = {name: given.get(name) or _consistent(shape, filled[name], named) for name, shape in shapes.items()}
    for name, shape in found.items():
        if math.prod(shape) > MOST_NUMBERS:
            raise ModelError(f"input '{name}' of the shape {in_words(shape)} is too large to be run")
    return found


def declared_inputs(model: Model) -> dict[str, Shape | None]:
    """Return the declared shape of every graph input that is no weight, None where there is none."""
    stored = {tensor.name for tensor in model.proto.graph.initializer}
    return {info.name: shape_of(info) for info in model.proto.graph.input if info.name not in stored}


def usual_inputs(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the first of the usual input shapes that inference finds consistent."""
    for attempt in range(ATTEMPTS):
        inputs = concrete_inputs(model, attempt=attempt)
        if infer(model, inputs).consistent:
            return inputs
    return concrete_inputs(model)


def given_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return what `--shape name=1x3x224x224` says, by input name. Raises `UsageError`."""
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        if not name or not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", sizes):
            raise UsageError(f"--shape {text}: it must be the name of an input and its sizes, such as x=1x3x224x224")
        if name in found:
            raise UsageError(f"--shape {text}: '{name}' has a shape already")
        found[name] = tuple(map(int, sizes.split("x")))
    return found


def check_shapes(model: Model, given: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `DataError` where shapes that were given are not those of inputs, or contradict what the model declares."""
    declared = declared_inputs(model)
    for name, shape in given.items():
        if name not in declared:
            raise DataError(f"the model has no input '{name}'; there are: {', '.join(declared)}")
        known = declared[name]
        if known is not None and not fits(shape, known):
            raise DataError(f"input '{name}' cannot have the shape {in_words(shape)}: the model says {in_words(known)}")


def check_batch(model: Model, batch: int, given: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `DataError` where an input cannot hold `batch` samples.

    It can where the model leaves the axis of the samples open, usually the first, or fixes it at that number. A single
    number or row of numbers of fixed size is taken for no samples at all, and whoever gives a shape knows best.
    """
    declared = {name: shape for name, shape in declared_inputs(model).items() if shape}
    batches = {shape[0] for shape in declared.values() if isinstance(shape[0], str)}
    for name, shape in declared.items():
        can = shape[0] == batch or _batch_place(shape) is not None or not batches.isdisjoint(shape)
        if not (can or len(shape) == 1 or name in given):
            raise DataError(
                f"input '{name}' cannot hold a batch of {batch}: its first axis is fixed ({in_words(shape)}); "
                "export the model with an open batch axis, or leave the batch size out"
            )


def in_words(shape: Shape) -> str:
    """Return a shape as it is given: 1x3x224x224, with ? for what is open and has no name."""
    return "x".join("?" if length is None else str(length) for length in shape)


def fits(shape: Shape, declared: Shape) -> bool:
    """Whether a shape is one of those that a declared one leaves open."""
    pairs = zip(shape, declared, strict=False)
    return len(shape) == len(declared) and all(_is_open(known) or length == known for length, known in pairs)


def _is_open(length: int | str | None) -> bool:
    return not isinstance(length, int)


def _with_batch(lengths: tuple[int, ...], declared: Shape, batch: int | None) -> tuple[int, ...]:
    is_open = bool(declared) and _is_open(declared[0])
    return lengths if batch is None or not is_open else (batch, *lengths[1:])


def _sizes_of_names(
    shapes: Mapping[str, Shape],
    filled: Mapping[str, tuple[int, ...]],
    given: Mapping[str, tuple[int, ...]],
    batch: int | None,
) -> dict[str, int]:
    """Return the size of every named axis: the batch, what is given, or what the first input that has it got."""
    batches = {} if batch is None else {shape[0]: batch for shape in shapes.values() if shape}
    pairs = [
        pair
        for name in sorted(shapes, key=lambda name: name not in given)
        for pair in zip(shapes[name], filled[name], strict=False)
    ]
    found: dict[str, int] = {}
    for symbol, length in (*batches.items(), *pairs):
        if isinstance(symbol, str):
            found.setdefault(symbol, length)
    return found


def _consistent(shape: Shape, filled: tuple[int, ...], named: Mapping[str, int]) -> tuple[int, ...]:
    lengths = zip(shape, filled, strict=True)
    return tuple(named[symbol] if isinstance(symbol, str) else length for symbol, length in lengths)


def _filled(shape: Shape, attempt: int, batch: int) -> tuple[int, ...]:
    batch_place = _batch_place(shape)
    sides = _sides(len(shape), [place for place in _open_places(shape) if place != batch_place], attempt)
    return tuple(
        length if isinstance(length, int) else batch if place == batch_place else sides[place % 2]
        for place, length in enumerate(shape)
    )


def _batch_place(shape: Shape) -> int | None:
    """Return the open axis that counts samples: the first, unless a fixed batch of 1 or an image comes before it."""
    open_places = _open_places(shape)
    if not open_places:
        return None
    before = shape[: open_places[0]]
    is_image_without_batch = len(before) == 1 and len(open_places) > 1
    return None if 1 in before or is_image_without_batch else open_places[0]


def _open_places(shape: Shape) -> list[int]:
    return [place for place, length in enumerate(shape) if _is_open(length)]


def _sides(rank: int, open_places: list[int], attempt: int) -> tuple[int, int]:
    if rank >= 3 and len(open_places) >= 2 and open_places[-2:] == [rank - 2, rank - 1]:
        height, width = IMAGE_SIDES[attempt % len(IMAGE_SIDES)]
        return (height, width) if rank % 2 == 0 else (width, height)
    lengths = LINE_LENGTHS if rank == 4 else SEQUENCE_LENGTHS
    return (lengths[attempt % len(lengths)],) * 2
