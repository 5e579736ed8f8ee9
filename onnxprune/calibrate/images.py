"""Calibration samples from image files: decoded by Pillow, resized and scaled to what the model's input takes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.columns import Column
from onnxprune.calibrate.specs import InputSpec
from onnxprune.errors import DataError, UnsupportedError, UsageError
from onnxprune.shapes import Shape

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow may take a file for: its reader of PostScript, say, starts another program."""
MOST_PIXELS = 100_000_000
"""Pixels of an image, which is whole in memory before it is resized: some 300 MB."""
SIDES = (224, 224)
"""Height and width where the model leaves them open and no size is asked for."""
CHANNEL_AXIS = {"nchw": -3, "nhwc": -1}
"""By layout; counted from the back, so that it holds with and without an axis for the batch."""


@dataclass(frozen=True)
class ImageOptions:
    """How pixels become what the model takes.

    An input of real numbers gets (pixel / 255 * peak - mean) / std, where `mean` and `std` have one value, or one for
    each channel. `peak` is what the brightest pixel becomes: 1 by default, so that ImageNet's usual mean of
    (0.485, 0.456, 0.406) is in its units; 255 for a model that takes pixels, and a mean, of 0 to 255. An input of
    uint8 gets the pixels as they are.

    `layout` is nchw, nhwc, or auto: the axis of 1 or 3 channels says which. `resize` is the height and width for inputs
    that leave them open (default: 224 each). Images are stretched to the size of the input; their colour is RGB, or
    grey for one channel. Raises `UsageError` for values that can never be right.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    peak: float = 1.0
    layout: str = "auto"
    resize: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for option, values in (("--mean", self.mean), ("--std", self.std), ("--peak", (self.peak,))):
            if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
                raise UsageError(f"{option} {_numbers(values)}: give one number, or one for each channel")
        if min(self.std) <= 0 or self.peak <= 0:
            raise UsageError("--std and --peak must be above 0")
        if self.layout not in ("auto", *CHANNEL_AXIS):
            raise UsageError(f"--layout {self.layout}: it must be one of auto, {', '.join(CHANNEL_AXIS)}")
        if self.resize is not None and min(self.resize) < 1:
            raise UsageError(f"--resize {_numbers(self.resize)}: height and width must be at least 1")


@dataclass(frozen=True)
class _Frame:
    """What every image is brought to: a number of channels, which come first or last, and a height and width."""

    channels: int
    channels_first: bool
    size: tuple[int, int]


class Images:
    """Image files, decoded when they are taken."""

    def __init__(self, paths: Sequence[Path], frame: _Frame, options: ImageOptions, raw: bool) -> None:
        """With `raw` pixels stay as they are."""
        self._paths, self._frame, self._options, self._raw = paths, frame, options, raw

    def __len__(self) -> int:
        return len(self._paths)

    def take(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Return the images at `places`: uint8 or float32 [images, channels, height, width], or channels last.

        Raises `DataError` where one cannot be read, and `UnsupportedError` where Pillow is missing.
        """
        pixels = np.stack([_pixels(self._paths[place], self._frame) for place in places])
        values = pixels if self._raw else self._scaled(pixels)
        return np.moveaxis(values, -1, 1) if self._frame.channels_first else values

    def _scaled(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        options = self._options
        mean, std = np.array(options.mean, np.float32), np.array(options.std, np.float32)
        return np.asarray((pixels * np.float32(options.peak / 255) - mean) / std, np.float32)


def image_column(paths: Sequence[Path], spec: InputSpec, options: ImageOptions, where: str) -> Column:
    """Return images as the samples of an input. An input of three axes takes one at a time.

    Raises `DataError` where the input does not take images, and `UsageError` where options do not go with it.
    """
    raw = spec.dtype == np.uint8
    if not raw and spec.dtype.kind not in "fV":
        raise DataError(f"{where}: images are real numbers or uint8, but input '{spec.name}' wants {spec}")
    if raw and options != ImageOptions(layout=options.layout, resize=options.resize):
        raise UsageError(f"--mean, --std, --peak: input '{spec.name}' wants {spec} and gets the pixels as they are")
    frame = _frame(spec, options, where)
    if frame.channels == 1 and len(options.mean) + len(options.std) > 2:
        raise UsageError(f"--mean, --std: input '{spec.name}' wants {spec}, which has one channel; give one number")
    one_by_one = spec.shape is not None and len(spec.shape) == 3
    return Column(spec, Images(paths, frame, options, raw), where, one_by_one)


def _frame(spec: InputSpec, options: ImageOptions, where: str) -> _Frame:
    shape: Shape = (None,) * 4 if spec.shape is None else spec.shape
    if len(shape) not in (3, 4):
        raise DataError(
            f"{where}: images need an input of 4 axes, or 3 without a batch, but '{spec.name}' wants {spec}"
        )
    layout = _layout(spec, shape) if options.layout == "auto" else options.layout
    channels, *sides = shape[-3:] if layout == "nchw" else (shape[-1], *shape[-3:-1])
    channels = channels if isinstance(channels, int) else 3
    if channels not in (1, 3):
        raise DataError(f"{where}: images have 1 or 3 channels, but input '{spec.name}' wants {spec}")
    height, width = (
        fixed if isinstance(fixed, int) else asked for fixed, asked in zip(sides, options.resize or SIDES, strict=True)
    )
    if options.resize not in (None, (height, width)):
        raise UsageError(f"--resize {_numbers(options.resize)}: input '{spec.name}' wants {spec}")
    return _Frame(channels, layout == "nchw", (height, width))


def _layout(spec: InputSpec, shape: Shape) -> str:
    fitting = [layout for layout, axis in CHANNEL_AXIS.items() if shape[axis] in (1, 3)]
    if len(fitting) != 1:
        raise UsageError(
            f"input '{spec.name}' wants {spec}: give --layout nchw or nhwc, for the channels may be anywhere"
        )
    return fitting[0]


def _pixels(path: Path, frame: _Frame) -> NDArray[np.uint8]:
    """Return an image as uint8 [height, width, channels]. Raises `DataError`."""
    pillow, operations = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)  # there is a limit of our own
            opened = pillow.open(path, formats=FORMATS)
        with opened as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(
                    f"{path}: has {image.width} x {image.height} pixels, more than are read; make it smaller"
                )
            if image.mode[0] in "IF":
                raise DataError(f"{path}: has more than 8 bits a pixel, which would be lost; give an .npy instead")
            upright = operations.exif_transpose(image).convert("RGB" if frame.channels == 3 else "L")
    except (DataError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        raise DataError(f"{path}: not an image that Pillow can read ({error})") from error
    height, width = frame.size
    resized = upright.resize((width, height), pillow.BILINEAR)
    return np.asarray(resized, np.uint8).reshape(height, width, frame.channels)


def _pillow() -> tuple[ModuleType, ModuleType]:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise UnsupportedError(
            "images are read with Pillow, which is missing: pip install 'onnxprune[images]'"
        ) from None
    return Image, ImageOps


def _numbers(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)
