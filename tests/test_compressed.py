"""The compressed size: what Zstandard makes of a file, of large ones from a part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Array

from onnxprune import compressed
from onnxprune.compressed import EVERY, LEVEL, WINDOW, CompressedSize, compressed_size
from onnxprune.errors import OutputError


def weights(count: int, share: float, seed: int = 0) -> Array:
    """Random float32 numbers of which a share is zero."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=count) * (rng.random(count) >= share)).astype(np.float32)


def by_zstandard(data: bytes) -> int:
    from zstandard import ZstdCompressor

    return len(ZstdCompressor(level=LEVEL).compress(data))


def measured(data: bytes) -> int:
    size = CompressedSize()
    size.write(data)
    return size.size


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_a_file_is_as_large_as_zstandard_makes_it(share: float, tmp_path: Path) -> None:
    data = weights(300_000, share).tobytes()
    (tmp_path / "net.onnx").write_bytes(data)
    assert compressed_size([tmp_path / "net.onnx"]) == pytest.approx(by_zstandard(data), rel=0.001)


def test_zeros_cost_next_to_nothing() -> None:
    dense, sparse = (measured(weights(300_000, share).tobytes()) for share in (0, 0.9))
    assert sparse < dense / 4
    assert measured(bytes(1 << 20)) < 200


def test_files_are_measured_one_by_one(tmp_path: Path) -> None:
    data = weights(1000, 0.5).tobytes()
    paths = [tmp_path / name for name in ("net.onnx", "net.onnx.data", "empty")]
    for path, content in zip(paths, (data, data, b""), strict=True):
        path.write_bytes(content)
    assert compressed_size(paths) == 2 * measured(data) + measured(b"")
    assert compressed_size([]) == 0


@given(st.lists(st.integers(0, 3 * WINDOW), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_it_does_not_matter_in_which_pieces_a_file_is_written(lengths: list[int]) -> None:
    data = weights(sum(lengths) // 4 + 1, 0.7).tobytes()[: sum(lengths)]
    size, start = CompressedSize(), 0
    for length in lengths:
        assert size.write(data[start : start + length]) == length
        start += length
    assert size.size == measured(data)


def test_any_contiguous_buffer_can_be_written() -> None:
    values = weights(1200, 0.5).reshape(30, 40)
    size = CompressedSize()
    assert size.write(values) == values.nbytes
    assert size.size == measured(values.tobytes())


def test_the_size_so_far_can_be_asked_for_at_any_time() -> None:
    size = CompressedSize()
    so_far = [size.size for _ in range(3) if size.write(weights(100_000, 0.5))]
    assert so_far == sorted(so_far) and so_far[0] < so_far[2] / 2


def test_a_part_of_a_large_file_stands_for_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "WHOLE", 8 * WINDOW)
    data = weights(2_000_000, 0.4).tobytes() + weights(1_000_000, 0.9).tobytes()
    (tmp_path / "net.onnx").write_bytes(data)
    assert compressed_size([tmp_path / "net.onnx"]) == measured(data)
    assert measured(data) == pytest.approx(by_zstandard(data), rel=0.02)


def test_one_window_in_so_many_is_measured_behind_the_first_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "WHOLE", EVERY * WINDOW)
    rng = np.random.default_rng(0)

    def file(noisy: int) -> bytes:
        """A file of zeros, but for one window in `EVERY`."""
        return b"".join(rng.bytes(WINDOW) if n % EVERY == noisy else bytes(WINDOW) for n in range(4 * EVERY))

    assert measured(file(noisy=1)) == pytest.approx(WINDOW, rel=0.05)  # that of the first bytes alone
    assert measured(file(noisy=0)) == pytest.approx(WINDOW + 3 * EVERY * WINDOW, rel=0.02)


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"absent\.onnx: cannot be read \(No such file"):
        compressed_size([tmp_path / "absent.onnx"])
