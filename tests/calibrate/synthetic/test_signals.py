"""Recordings: between -1 and 1, with tones, loud and soft parts, and silence."""

from __future__ import annotations

import numpy as np
import pytest

from onnxprune.calibrate.synthetic.scaling import sound_menu
from onnxprune.calibrate.synthetic.signals import PEAKS, signals


@pytest.fixture(scope="module")
def made() -> np.ndarray:
    return signals(np.random.default_rng(0), 24, 2, 4096)


def test_signals_have_the_shape_asked_for_and_lie_between_minus_1_and_1(made: np.ndarray) -> None:
    assert made.shape == (24, 2, 4096) and made.dtype == np.float32
    peaks = np.abs(made).max(axis=(1, 2))
    assert (peaks >= PEAKS[0] - 1e-6).all() and (peaks <= PEAKS[1] + 1e-6).all() and np.ptp(peaks) > 0.3


def test_their_deviation_is_what_scaling_takes_it_for() -> None:
    standard = next(scaling for scaling in sound_menu().processed if scaling.name == "mean 0 and std 1")
    assert standard.apply(signals(np.random.default_rng(1), 200, 1, 2000)).std() == pytest.approx(1, rel=0.25)


def test_there_is_silence_and_sound_in_most(made: np.ndarray) -> None:
    silent = (made == 0).all(axis=1).mean(axis=1)
    assert 0.05 < silent.mean() < 0.4 and (silent < 1).all()


def test_loudness_changes_within_a_signal(made: np.ndarray) -> None:
    levels = np.square(made.astype(np.float64)).reshape(24, 2, 16, 256).mean(axis=(1, 3))
    assert np.median(levels.max(axis=1) / np.median(levels, axis=1)) > 2


def test_many_have_a_tone_that_stands_out(made: np.ndarray) -> None:
    power = np.abs(np.fft.rfft(made[:, 0].astype(np.float64) * np.hanning(4096))) ** 2
    assert np.median(power.max(axis=1) / np.median(power, axis=1)) > 300


def test_channels_sound_alike(made: np.ndarray) -> None:
    alike = [np.corrcoef(sample)[0, 1] for sample in made]
    assert 0.3 < np.mean(alike) < 0.99


@pytest.mark.parametrize("length", [1, 2, 7])
def test_very_short_signals_are_finite(length: int) -> None:
    assert np.isfinite(signals(np.random.default_rng(0), 3, 5, length)).all()
