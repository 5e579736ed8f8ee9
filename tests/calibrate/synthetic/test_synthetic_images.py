"""Images: dead leaves in soft light, and coloured 1/f noise."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest

from onnxprune.calibrate.synthetic.images import LEAVES_SHARE, coloured_noise, images
from onnxprune.calibrate.synthetic.scaling import pixel_menu


@pytest.mark.parametrize("shape", [(1, 20, 28), (3, 32, 32), (4, 16, 16), (6, 9, 12)])
def test_images_lie_between_0_and_1_whatever_their_shape(shape: tuple[int, int, int]) -> None:
    made = images(np.random.default_rng(0), 6, *shape)
    assert made.shape == (6, *shape) and made.dtype == np.float32
    assert made.min() >= 0 and made.max() <= 1 and (made.std(axis=(1, 2, 3)) > 0.03).all()


def test_a_part_is_dead_leaves_with_edges_and_the_rest_is_noise_without() -> None:
    made = images(np.random.default_rng(0), 100, 1, 48, 48)[:, 0].astype(np.float64)
    steps = np.diff(made)
    peaked = (steps**4).mean(axis=(1, 2)) / (steps**2).mean(axis=(1, 2)) ** 2
    assert (peaked > 6).mean() == pytest.approx(LEAVES_SHARE, abs=0.15)


def test_colours_go_together_but_are_not_the_same() -> None:
    noise = coloured_noise(np.random.default_rng(0), 40, 3, 24, 24)
    likeness = [np.corrcoef(image.reshape(3, -1))[0, 1] for image in noise]
    assert 0.6 < np.mean(likeness) < 0.99


def test_images_are_about_as_bright_and_as_varied_as_photographs() -> None:
    made = images(np.random.default_rng(0), 200, 3, 24, 24)
    assert 0.4 < made.mean() < 0.6 and 0.18 < made.std() < 0.32


def test_the_standard_scaling_makes_images_about_standard() -> None:
    for channels in (1, 3):
        scaled = pixel_menu(channels).default.apply(images(np.random.default_rng(0), 100, channels, 24, 24))
        assert abs(scaled.mean()) < 0.5 and 0.75 < scaled.std() < 1.3


def test_images_are_quickly_made() -> None:
    start = process_time()
    images(np.random.default_rng(0), 512, 3, 32, 32)
    assert process_time() - start < 2
