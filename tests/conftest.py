"""What every test may use. This file also puts its folder on the path, for what tests share, such as `graphs`."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from older_versions import faults

from onnxprune.errors import ModelError


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect tests to fail that an older version of onnx or onnxruntime cannot pass."""
    for item in items:
        for fault in faults(item.nodeid):
            item.add_marker(pytest.mark.xfail(reason=fault))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Skip what runs operators that came after the onnxruntime that is installed, as the oldest allowed one says."""
    try:
        return (yield)
    except ModelError as error:
        if "Opset 23 is under development" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make up 16 synthetic samples by default instead of 512, so that the default command takes no seconds."""
    monkeypatch.setattr("onnxprune.calibrate.synthetic.make.SAMPLES", 16)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what is cached between runs, such as measured times, in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
