"""What every test may use. This file also puts its folder on the path, for what tests share, such as `graphs`."""

from __future__ import annotations

from pathlib import Path

import pytest
from older_versions import faults


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect tests to fail that an older version of onnx or onnxruntime cannot pass."""
    for item in items:
        for fault in faults(item.nodeid):
            item.add_marker(pytest.mark.xfail(reason=fault))


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make up 16 synthetic samples by default instead of 512, so that the default command takes no seconds."""
    monkeypatch.setattr("onnxprune.calibrate.synthetic.make.SAMPLES", 16)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what is cached between runs, such as measured times, in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
