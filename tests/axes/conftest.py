"""An empty axis algebra for each test."""

from __future__ import annotations

import pytest

from onnxprune.axes import Axes


@pytest.fixture
def axes() -> Axes:
    return Axes()
