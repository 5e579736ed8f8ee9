"""Calibration data from images: what pixels become, in which layout and size, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from takers import HALF, INT64, UINT8, taken, taker

from onnxprune.calibrate.images import ImageOptions
from onnxprune.calibrate.readers import load_calibration
from onnxprune.errors import DataError, UnsupportedError, UsageError
from onnxprune.model import Model

ORANGE = (255, 102, 0)


def paint(path: Path, colour: Any = ORANGE, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> None:
    """Write an image of one colour; `size` is width and height."""
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    paint(tmp_path / "a.png")
    paint(tmp_path / "sub" / "b.PNG", (0, 0, 255))
    return tmp_path


def read(folder: Path, model: Model, **options: Any) -> list[Any]:
    """What the model takes, batch by batch."""
    return taken(model, load_calibration(str(folder), model, images=ImageOptions(**options)))


def fails(folder: Path, error: type[Exception], message: str, model: Model, **options: Any) -> None:
    with pytest.raises(error, match=message) as raised:
        read(folder, model, **options)
    assert "\n" not in str(raised.value)


def test_pixels_are_scaled_to_1_and_channels_come_first(folder: Path) -> None:
    [images] = read(folder, taker("batch", 3, 4, 5))
    assert images.shape == (2, 3, 4, 5)
    assert np.allclose(images[0].max((1, 2)), [1, 0.4, 0]) and np.allclose(images[1, :, 0, 0], [0, 0, 1])


def test_channels_come_last_where_the_model_has_them_there(folder: Path) -> None:
    [images] = read(folder, taker("batch", 4, 5, 3))
    assert images.shape == (2, 4, 5, 3) and np.allclose(images[0, 3, 4], [1, 0.4, 0])


def test_mean_and_std_are_in_units_of_the_scaled_pixels(folder: Path) -> None:
    [images] = read(folder, taker("batch", 3, 4, 5), mean=(0.5, 0.4, 0.25), std=(0.5, 0.2, 0.25))
    assert np.allclose(images[0, :, 0, 0], [1, 0, -1], atol=1e-6)
    [images] = read(folder, taker("batch", 3, 4, 5), mean=(0.5,), std=(0.5,))
    assert np.allclose(images[0, :, 0, 0], [1, -0.2, -1], atol=1e-6)


def test_a_peak_of_255_gives_pixels_as_they_are(folder: Path) -> None:
    [images] = read(folder, taker("batch", 3, 4, 5), peak=255)
    assert images[0, :, 0, 0].tolist() == [255, 102, 0] and images.dtype == np.float32
    [images] = read(folder, taker("batch", 3, 4, 5), peak=255, mean=(100,), std=(2,))
    assert images[0, :, 0, 0].tolist() == [77.5, 1, -50]


def test_half_precision_and_unsigned_bytes_are_fed(folder: Path) -> None:
    [images] = read(folder, taker("batch", 3, 4, 5, dtype=HALF))
    assert images.dtype == np.float16 and np.allclose(images[0, :, 0, 0], [1, 0.4, 0], atol=1e-3)
    [images] = read(folder, taker("batch", 4, 5, 3, dtype=UINT8))
    assert images.dtype == np.uint8 and images[0, 0, 0].tolist() == [255, 102, 0]


def test_one_channel_is_grey(folder: Path) -> None:
    paint(folder / "a.png", (128, 128, 128))
    [images] = read(folder, taker("batch", 1, 4, 5))
    assert images.shape == (2, 1, 4, 5) and np.allclose(images[0], 128 / 255)


def test_grey_and_transparent_images_become_coloured_ones(folder: Path) -> None:
    paint(folder / "a.png", 255, mode="L")
    paint(folder / "sub" / "b.PNG", (*ORANGE, 10), mode="RGBA")
    [images] = read(folder, taker("batch", 3, 4, 5))
    assert np.allclose(images[:, :, 0, 0], [[1, 1, 1], [1, 0.4, 0]])


def test_a_fixed_batch_of_1_takes_images_one_by_one(folder: Path) -> None:
    first, second = read(folder, taker(1, 3, 4, 5))
    assert first.shape == (1, 3, 4, 5) and first[0, 0, 0, 0] == 1 and second[0, 0, 0, 0] == 0


def test_an_input_without_a_batch_takes_images_one_by_one(folder: Path) -> None:
    first, second = read(folder, taker(3, "H", "W"), resize=(4, 5))
    assert first.shape == (3, 4, 5) and first[0, 0, 0] == 1 and second[2, 0, 0] == 1


def test_images_are_stretched_to_the_size_of_the_input(tmp_path: Path) -> None:
    halves = np.zeros((6, 8, 3), np.uint8)
    halves[:, 4:] = 255
    Image.fromarray(halves).save(tmp_path / "halves.png")
    [images] = read(tmp_path, taker("batch", 3, 2, 4))
    assert images.shape == (1, 3, 2, 4) and (images[..., 0] == 0).all() and (images[..., 3] == 1).all()


@pytest.mark.parametrize(
    ("shape", "options", "fed"),
    [
        (("batch", 3, "H", "W"), {}, (3, 224, 224)),
        (("batch", 3, "H", "W"), {"resize": (5, 7)}, (3, 5, 7)),
        (("batch", 3, 4, "W"), {"resize": (4, 7)}, (3, 4, 7)),
        (("batch", "H", "W", 3), {"resize": (5, 7)}, (5, 7, 3)),
        ((None, None, None, None), {"resize": (5, 7), "layout": "nchw"}, (3, 5, 7)),
        (("N", "H", "W", "C"), {"resize": (5, 7), "layout": "nhwc"}, (5, 7, 3)),
        ((1, 3, 4, 3), {"layout": "nhwc"}, (3, 4, 3)),
    ],
)
def test_open_sizes_are_asked_for(
    shape: tuple[Any, ...], options: dict[str, Any], fed: tuple[int, ...], folder: Path
) -> None:
    assert read(folder, taker(*shape), **options)[0].shape[1:] == fed


def test_an_input_of_unknown_rank_takes_a_batch_of_images(folder: Path) -> None:
    model = taker("batch")
    model.proto.graph.input[0].type.tensor_type.ClearField("shape")
    assert read(folder, model, layout="nchw", resize=(5, 7))[0].shape == (2, 3, 5, 7)


def test_images_lie_as_the_camera_was_held(tmp_path: Path) -> None:
    sideways = Image.fromarray(np.repeat(np.uint8([[[0] * 3, [255] * 3]]), 2, 0))
    exif = Image.Exif()
    exif[0x0112] = 8  # taken with the camera turned: to be shown turned to the left by a quarter
    sideways.save(tmp_path / "sideways.png", exif=exif)
    [image] = read(tmp_path, taker(1, 1, 2, 2))
    assert image[0, 0].tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize("name", ["a.bmp", "a.gif", "a.jpg", "a.jpeg", "a.ppm", "a.tif", "a.tiff", "a.webp"])
def test_usual_formats_are_read(name: str, tmp_path: Path) -> None:
    paint(tmp_path / name, (200, 200, 200))
    assert np.allclose(read(tmp_path, taker("batch", 3, 4, 4))[0], 200 / 255, atol=0.02)


# What is refused


def test_a_damaged_image_is_named(folder: Path) -> None:
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:40])
    fails(folder, DataError, r"a\.png: not an image that Pillow can read", taker("batch", 3, 4, 5))
    (folder / "a.png").write_text("text")
    fails(folder, DataError, r"a\.png: not an image that Pillow can read", taker("batch", 3, 4, 5))


def test_more_than_8_bits_are_not_thrown_away(folder: Path) -> None:
    paint(folder / "a.png", 30000, mode="I;16")
    fails(folder, DataError, r"a\.png: has more than 8 bits", taker("batch", 1, 4, 5))


def test_without_pillow_the_error_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    fails(folder, UnsupportedError, r"pip install 'onnxprune\[images\]'", taker("batch", 3, 4, 5))


def test_images_are_for_a_single_input(folder: Path) -> None:
    model = taker("batch", 3, 4, 5, size=(INT64, "batch", 2))
    fails(folder, DataError, "arrays without names: 1, but inputs of the model: 2", model)


def test_images_have_no_labels(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"--labels y: .* gives arrays without names"):
        load_calibration(str(folder), taker("batch", 3, 4, 5), labels="y")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (taker("batch", 12), r"need an input of 4 axes, or 3 without a batch, but 'x' wants float32 \[batch, 12\]"),
        (taker("batch", 3, 4, 5, dtype=INT64), "real numbers or uint8, but input 'x' wants int64"),
    ],
)
def test_inputs_that_take_no_images_are_refused(model: Model, message: str, folder: Path) -> None:
    fails(folder, DataError, message, model)


def test_other_numbers_of_channels_are_refused(folder: Path) -> None:
    model = taker("batch", 4, 5, 6)
    fails(folder, DataError, r"1 or 3 channels, but input 'x' wants float32 \[batch, 4, 5, 6\]", model, layout="nchw")


@pytest.mark.parametrize("shape", [(1, 3, 4, 3), ("N", "C", "H", "W"), ("N", 4, 5, 6)])
def test_a_layout_that_cannot_be_told_is_asked_for(shape: tuple[Any, ...], folder: Path) -> None:
    fails(folder, UsageError, r"input 'x' wants float32 \[.*\]: give --layout nchw or nhwc", taker(*shape))


def test_a_size_that_is_not_the_models_is_refused(folder: Path) -> None:
    fails(folder, UsageError, r"--resize 8,8: input 'x' wants float32", taker("batch", 3, 4, 5), resize=(8, 8))


def test_unsigned_bytes_are_not_scaled(folder: Path) -> None:
    message = r"input 'x' wants uint8 \[batch, 3, 4, 5\] and gets the pixels as they are"
    fails(folder, UsageError, message, taker("batch", 3, 4, 5, dtype=UINT8), mean=(0.5,))


def test_a_grey_input_has_one_mean(folder: Path) -> None:
    message = "which has one channel; give one number"
    fails(folder, UsageError, message, taker("batch", 1, 4, 5), mean=(0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.5, 0.5)}, "--mean 0.5,0.5: give one number, or one for each channel"),
        ({"mean": (float("nan"),)}, "--mean nan: give one number"),
        ({"std": ()}, "--std : give one number"),
        ({"std": (1.0, 0.0, 1.0)}, "--std and --peak must be above 0"),
        ({"peak": 0.0}, "--std and --peak must be above 0"),
        ({"layout": "chwn"}, "--layout chwn: it must be one of auto, nchw, nhwc"),
        ({"resize": (0, 4)}, "--resize 0,4: height and width must be at least 1"),
    ],
)
def test_options_that_can_never_be_right_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ImageOptions(**options)
