"""What every test may use. This file also puts its folder on the path, for what tests share, such as `graphs`."""

from __future__ import annotations

import pytest


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make up 16 synthetic samples by default instead of 512, so that the default command takes no seconds."""
    monkeypatch.setattr("onnxprune.calibrate.synthetic.make.SAMPLES", 16)
