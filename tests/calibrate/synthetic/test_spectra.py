"""Noise with the spectrum that was asked for, on lines and on planes."""

from __future__ import annotations

import numpy as np
import pytest

from onnxprune.calibrate.synthetic.spectra import power_law_noise


def slope(frequencies: np.ndarray, power: np.ndarray) -> float:
    """The slope of amplitude over frequency, both as logarithms, without the lowest and the corners."""
    kept = (frequencies > 0.03) & (frequencies < 0.5)
    return float(np.polyfit(np.log(frequencies[kept]), np.log(power[kept]) / 2, 1)[0])


@pytest.mark.parametrize("alpha", [0.0, 1.0, 1.5])
def test_amplitude_falls_as_frequency_to_the_power_of_alpha(alpha: float) -> None:
    rng = np.random.default_rng(0)
    planes = power_law_noise(rng, (8, 3, 64, 48), np.full((8, 1), alpha)).astype(np.float64)
    power = (np.abs(np.fft.fft2(planes)) ** 2).mean(axis=(0, 1))
    assert slope(np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(48)), power) == pytest.approx(-alpha, abs=0.05)
    lines = power_law_noise(rng, (20, 1, 1000), np.full((20, 1), alpha)).astype(np.float64)
    power = (np.abs(np.fft.rfft(lines)) ** 2).mean(axis=(0, 1))
    assert slope(np.fft.rfftfreq(1000), power) == pytest.approx(-alpha, abs=0.05)


def test_each_sample_has_the_alpha_of_its_own() -> None:
    smooth, rough = power_law_noise(np.random.default_rng(0), (2, 500), np.array([2.0, 0.0]))
    assert np.abs(np.diff(smooth)).mean() < 0.2 < 1 < np.abs(np.diff(rough)).mean()


def test_every_field_has_mean_0_and_variance_1() -> None:
    noise = power_law_noise(np.random.default_rng(0), (4, 2, 9, 14), np.ones((4, 1)))
    assert noise.dtype == np.float32 and noise.shape == (4, 2, 9, 14)
    assert np.allclose(noise.mean(axis=(2, 3)), 0, atol=1e-5) and np.allclose(noise.std(axis=(2, 3)), 1, atol=1e-5)


def test_fields_of_a_sample_differ() -> None:
    noise = power_law_noise(np.random.default_rng(0), (1, 3, 400), np.zeros((1, 1)))[0]
    assert np.abs(np.corrcoef(noise) - np.eye(3)).max() < 0.2


def test_a_field_of_one_element_is_zero() -> None:
    assert not power_law_noise(np.random.default_rng(0), (2, 1, 1), np.ones(2)).any()
