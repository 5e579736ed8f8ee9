"""Reading a line of text: the recognizer of PP-OCRv4 on English lines that are drawn here.

What the model wants and gives: images in BGR order, float32 [lines, 3, 48, width] in [-1, 1], padded with zeros; for
every eight columns probabilities over a blank, 6,623 characters (in the model's metadata) and the space.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.calibrate import Calibration
from onnxprune.runtime import Feeds
from tasks.task import AnyModel, Task, calibration, fetched, outputs, slices
from tasks.texts import Split, prose

Pixels: TypeAlias = "NDArray[np.float32]"

NAME = "ocr"
NEEDS = ("matplotlib", "rapidfuzz")
"""Pillow, which draws the lines, comes with matplotlib, which has the fonts."""
LINES = 200
BATCH = 8
HEIGHT = 48
TEST_SEED = 99
INPUT, OUTPUT = "x", "softmax_11.tmp_0"
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf")
"""Those that matplotlib ships; Pillow's own comes on top."""


def task(cache: Path) -> Task:
    """Return the task; the model is fetched."""
    (model,) = fetched(Path(__file__).with_suffix(".json"), cache)

    def score(version: AnyModel) -> dict[str, float]:
        batches, texts = _test_set()
        read = greedy_texts(outputs(version, batches, OUTPUT), _alphabet(model))
        return {"character_error_rate": character_error_rate(read, texts)}

    errors = "character_error_rate"
    return Task(NAME, model, (errors,), _calibration, score, lower_is_better=frozenset({errors}))


def character_error_rate(read: Sequence[str], texts: Sequence[str]) -> float:
    """Return how many insertions, deletions and substitutions turn what was read into the texts, per character.

    Where much is read that is not there it exceeds 1.
    """
    from rapidfuzz.distance import Levenshtein

    errors: int = sum(map(Levenshtein.distance, read, texts))
    return errors / sum(map(len, texts))


def greedy_texts(batches: Sequence[Pixels], alphabet: Sequence[str]) -> list[str]:
    """Return the texts of probabilities [lines, steps, classes]: the best class a step, repeats and blanks dropped."""
    best = [classes for batch in batches for classes in batch.argmax(axis=2)]
    runs = (classes[np.diff(classes, prepend=-1) != 0] for classes in best)
    return ["".join(alphabet[label] for label in run) for run in runs]


def _alphabet(model: Path) -> list[str]:
    """Return what each class stands for; the blank, class 0, for nothing."""
    metadata = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    return ["", *metadata["character"].split("\n"), " "]


def _calibration(seed: int) -> Calibration:
    batches, _ = _draw_lines("calibration", np.random.default_rng(seed))
    return calibration(batches, f"rendered lines, seed {seed}")


@functools.cache
def _test_set() -> tuple[list[Feeds], list[str]]:
    return _draw_lines("test", np.random.default_rng(TEST_SEED))


def _draw_lines(split: Split, rng: np.random.Generator) -> tuple[list[Feeds], list[str]]:
    """Return batches of lines of about the same width, and their texts."""
    pool = {line for sentence in prose(split) for line in wrap(sentence, int(rng.integers(12, 30)))}
    texts = [str(text) for text in rng.choice(sorted(pool), LINES, replace=False)]
    drawn = sorted(((_draw(text, rng), text) for text in texts), key=lambda line: line[0].shape[2])
    images = [image for image, _ in drawn]
    return [{INPUT: _padded(images[part])} for part in slices(LINES, BATCH)], [text for _, text in drawn]


def _draw(text: str, rng: np.random.Generator) -> Pixels:
    """Return a line of text, [3, 48, width]: some font, size and colours, a little turned, blurred and noisy."""
    from PIL import Image, ImageDraw, ImageFilter

    font = _font(int(rng.integers(len(FONTS) + 1)), int(rng.integers(14, 36)))
    left, top, right, bottom = font.getbbox(text)
    margin = int(rng.integers(2, 8))
    paper, ink = _colours(rng)
    size = (math.ceil(right - left) + 2 * margin, math.ceil(bottom - top) + 2 * margin)
    image = Image.new("RGB", size, paper)
    ImageDraw.Draw(image).text((margin - left, margin - top), text, ink, font)
    image = image.rotate(rng.uniform(-2, 2), Image.Resampling.BICUBIC, fillcolor=paper)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
    image = image.resize((math.ceil(HEIGHT * size[0] / size[1]), HEIGHT), Image.Resampling.BILINEAR)
    noise = rng.normal(0, rng.uniform(0, 20), (HEIGHT, image.width, 3))
    colours = (np.asarray(image) + noise).clip(0, 255)
    pixels: Pixels = (colours[:, :, ::-1] / 127.5 - 1).transpose(2, 0, 1).astype(np.float32)
    return pixels


def _font(index: int, size: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    if index == len(FONTS):
        return ImageFont.load_default(size)
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / FONTS[index], size)


def _colours(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a light and a dark colour: dark on light for two lines in three."""
    light, dark = rng.integers(150, 256, 3), rng.integers(0, 110, 3)
    pair = (tuple(light.tolist()), tuple(dark.tolist()))
    return pair if rng.random() < 2 / 3 else pair[::-1]


def _padded(images: Sequence[Pixels]) -> Pixels:
    """Return lines as one batch [lines, 3, 48, width of the widest]."""
    width = max(image.shape[2] for image in images)
    return np.stack([np.pad(image, ((0, 0), (0, 0), (0, width - image.shape[2]))) for image in images])
