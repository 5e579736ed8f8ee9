"""What an input is for, guessed from its type, shape and name and from what the graph does with it."""

from __future__ import annotations

from enum import Enum

from onnxprune.calibrate.specs import InputSpec
from onnxprune.calibrate.synthetic.entry import entry_of, kernel_rank
from onnxprune.feeds import vocabulary
from onnxprune.shapes import Shape
from onnxprune.tracing import Trace

CHANNELS = (1, 3, 4)
SMALLEST_SIDE = 8
"""What has fewer rows or columns is hardly an image."""
SHORTEST_SIGNAL = 400
"""What has fewer steps, or goes straight to a matrix, is a row of features, unless a convolution goes along it."""
SIGNAL_NAMES = ("audio", "wav", "speech", "signal", "pcm")
SEGMENT_NAMES = ("token_type", "segment")
LENGTH_NAMES = ("length", "lens", "_len")


class Kind(Enum):
    """What an input is for."""

    CHANNELS_FIRST = "images: [samples, channels, height, width], or one without the first axis"
    CHANNELS_LAST = "images: [samples, height, width, channels], or one without the first axis"
    SIGNAL = "recordings: [samples, time] or [samples, channels, time]"
    TOKENS = "indices into a table"
    MASK = "1 where a position is real"
    PADDING = "1 where a position is padding"
    SEGMENTS = "numbers of segments"
    POSITIONS = "numbers of positions"
    LENGTHS = "numbers of real positions: [samples]"
    OTHER = "anything else"


def kind_of(trace: Trace, spec: InputSpec) -> Kind:
    """Guess what an input is for."""
    shape, name = spec.shape or (), spec.name.lower()
    if "mask" in name and len(shape) <= 2:
        return Kind.PADDING if "pad" in name else Kind.MASK
    if spec.dtype.kind in "iu" and shape:
        return _kind_of_integers(trace, spec, name, shape)
    if spec.dtype.kind in "fV":
        return _kind_of_reals(trace, spec.name, name, shape)
    return Kind.OTHER


def _kind_of_integers(trace: Trace, spec: InputSpec, name: str, shape: Shape) -> Kind:
    if "position" in name:
        return Kind.POSITIONS
    if any(part in name for part in SEGMENT_NAMES):
        return Kind.SEGMENTS
    if len(shape) == 1 and any(part in name for part in LENGTH_NAMES):
        return Kind.LENGTHS
    if vocabulary(trace, spec.name) is not None:
        return Kind.TOKENS
    return (_layout(shape) if spec.dtype == "uint8" else None) or Kind.OTHER


def _kind_of_reals(trace: Trace, input_name: str, name: str, shape: Shape) -> Kind:
    layout = _layout(shape)
    if layout is not None:
        return layout
    entry = entry_of(trace, input_name)
    rank = None if entry.conv is None else kernel_rank(trace, entry.conv)
    if len(shape) == 4 and rank == 2:
        return Kind.CHANNELS_FIRST
    if len(shape) not in (2, 3):
        return Kind.OTHER
    is_named = any(part in name for part in SIGNAL_NAMES)
    is_recording = rank == 1 or is_named or (_is_long(shape) and (entry.layer is None or entry.conv is not None))
    return Kind.SIGNAL if is_recording else Kind.OTHER


def _layout(shape: Shape) -> Kind | None:
    """Return where the channels of an image are, or None where a shape is not that of an image."""
    if len(shape) not in (3, 4):
        return None
    channels = CHANNELS if len(shape) == 4 else (3,)
    if shape[-3] in channels and _are_sides(shape[-2:]):
        return Kind.CHANNELS_FIRST
    if shape[-1] in channels and _are_sides(shape[-3:-1]):
        return Kind.CHANNELS_LAST
    return None


def _are_sides(lengths: Shape) -> bool:
    return all(not isinstance(length, int) or length >= SMALLEST_SIDE for length in lengths)


def _is_long(shape: Shape) -> bool:
    """Whether a shape is that of one or two long rows a sample."""
    time, channels = shape[-1], shape[1:-1]
    return (not isinstance(time, int) or time >= SHORTEST_SIGNAL) and channels in ((), (1,), (2,))
