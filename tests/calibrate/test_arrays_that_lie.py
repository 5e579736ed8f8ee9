"""Files of arrays that are damaged, or made to fill the memory or run code: one clear line, and nothing happens."""

from __future__ import annotations

import io
import os
import re
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forged import CRC, PACKED_SIZE, SIZE, archive, changed_directory, header, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from takers import taker

from onnxprune.calibrate.readers import load_calibration
from onnxprune.errors import DataError, OnnxPruneError
from onnxprune.evaluate import label_key
from onnxprune.feeds import load_feeds
from onnxprune.reading import Archive, OnDisk, archives

Forge = Callable[[Path], object]
HUGE = 1 << 40


def read_by_all(path: Path) -> list[str]:
    """Read a file as samples and as inputs; return what both say, which is one line each."""
    said = []
    for read in (lambda: load_calibration(str(path), taker("batch", 2)), lambda: load_feeds(path)):
        with pytest.raises(DataError) as failure:
            read()
        assert str(failure.value).startswith(f"{path}: ") and "\n" not in str(failure.value)
        said.append(str(failure.value))
    return said


def with_member(content: bytes, packing: int = zipfile.ZIP_STORED) -> Forge:
    return lambda path: archive(path, ("x.npy", content), packing=packing)


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (with_member(stored(np.array([{}, []], object))), "Python objects, which are never loaded"),
        (with_member(header(f"({HUGE},)")), "takes 4,398,046,511,104 bytes, but has 0"),
        (with_member(header(f"({HUGE}, {HUGE}, {HUGE}, {HUGE})") + bytes(64)), "but has 64"),
        (with_member(header("(3, 2)") + bytes(23)), "takes 24 bytes, but has 23"),
        (with_member(header("(-1, 2)") + bytes(24)), r"\[-1, 2\], which is no array"),
        (with_member(header(f"(0, {1 << 70})")), "which is no array"),
        (with_member(header(f"({HUGE},)", "'<U0'")), "which is no array"),
        (with_member(header("(2,)", "'<M8[s]'") + bytes(16)), "which is no array"),
        (with_member(header("(2,)", "'|O'") + bytes(16)), "Python objects"),
        (with_member(header("(2,)", "[('a', '|O'), ('b', '<f4')]") + bytes(24)), "Python objects"),
        (with_member(header("(2,)", "'nonsense'")), "'x': "),
        (with_member(header("'2'")), "'x': "),
        (with_member(header("(" * 3000)), "'x': "),
        (with_member(header("(2,)" + " " * 20_000)), "'x': "),
        (with_member(stored(np.zeros((2, 2), np.float32))[:-3]), "takes 16 bytes, but has 13"),
        (with_member(b""), "'x': "),
        (with_member(b"\x93NUMPY\x09\x00 of another time"), "'x': "),
        (with_member(b"PK\x05\x06" + bytes(18)), "found nothing|'x': "),
        (with_member(stored(np.zeros(4)), zipfile.ZIP_LZMA), "packed in a way that numpy does not write"),
        (lambda path: archive(path, ("x.npy", stored([1.0])), ("x.npy", stored([2.0]))), "holds 'x' twice"),
        (lambda path: archive(path, ("x.npy", stored([1.0])), ("x", stored([2.0]))), "holds 'x' twice"),
        (lambda path: changed_directory(with_member(stored([1.0]))(path), CRC, 1), "Bad CRC-32"),
        (lambda path: changed_directory(with_member(stored([1.0]))(path), PACKED_SIZE, 1 << 30), "overlap"),
        (lambda path: changed_directory(with_member(stored([1.0]))(path), SIZE, 40), "'x': "),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_lies_is_refused(forge: Forge, words: str, tmp_path: Path) -> None:
    forge(tmp_path / "x.npz")
    for said in read_by_all(tmp_path / "x.npz"):
        assert re.search(words, said)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (stored(np.array([{}], object)), "Python objects, which are never loaded"),
        (header(f"({HUGE},)") + bytes(64), "takes 4,398,046,511,104 bytes, but has 64"),
        (header("(-1, 2)") + bytes(24), "which is no array"),
        (header("(3, 2)") + bytes(20), "takes 24 bytes, but has 20"),
        (header("(0, 2)"), "has no samples"),
        (header("(2,)", "[('a', '<f4'), ('b', '<f4')]") + bytes(16), "input 'x' wants float32"),
    ],
)
def test_an_array_that_lies_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match=words):
        load_calibration(str(tmp_path / "x.npy"), taker("batch", 2))


# What is odd and right


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "values",
    [
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2)),
        np.arange(6, dtype=">f4").reshape(3, 2),
        np.arange(6, dtype=np.int8).reshape(3, 2),
        np.arange(12, dtype=np.float64).reshape(3, 4)[:, ::2],
    ],
    ids=["columns first", "big endian", "other type", "with gaps"],
)
def test_arrays_in_any_order_and_endianness_are_the_numbers_that_they_are(
    values: Any, save: Callable[..., None], tmp_path: Path
) -> None:
    save(tmp_path / "x.npz", x=values)
    np.save(tmp_path / "x.npy", values)
    for name in ("x.npz", "x.npy"):
        found = load_calibration(str(tmp_path / name), taker("batch", 2)).batches[0]["x"]
        assert found.dtype == np.float32 and found.dtype.isnative and np.array_equal(found, values)
    np.testing.assert_array_equal(load_feeds(tmp_path / "x.npz")["x"], values)


@pytest.mark.parametrize("values", [np.float32(7), np.zeros((0, 3)), np.array(["a", "bc"]), np.array([b"x"]), True])
def test_any_array_but_objects_comes_back_as_it_was_stored(values: Any, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=values)
    with Archive(tmp_path / "a.npz") as found:
        np.testing.assert_array_equal(found.read("x"), values, strict=True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_name_the_input(value: float, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.array([[1, 2], [3, value]]))
    with pytest.raises(DataError, match=r"input 'x' wants float32 .*: some values are NaN or infinite"):
        load_calibration(str(tmp_path / "x.npz"), taker("batch", 2))


def test_nothing_is_extracted_whatever_the_names(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    names = ("../../x.npy", "/tmp/onnxprune-x.npy", "..\\x.npy", "sub/x.npy", "x.npy")
    archive(folder / "x.npz", *((name, stored(np.ones((1, 2), np.float32))) for name in names))
    assert load_calibration(str(folder / "x.npz"), taker("batch", 2)).samples == 1
    assert {path.name for path in tmp_path.rglob("*")} == {"a", "b", "x.npz"}
    assert not Path("/tmp/onnxprune-x.npy").exists()


# How much


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SMALL", 1_000_000)


@pytest.mark.usefixtures("small_limit")
def test_what_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((200_000, 2), np.float32))
    for said in read_by_all(tmp_path / "x.npz"):
        assert "'x': its " in said and "unpack to 1,600,128" in said and "np.savez" in said


@pytest.mark.usefixtures("small_limit")
def test_many_small_bombs_are_one_large(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", **{f"x{n}": np.zeros(100_000, np.float32) for n in range(10)})
    with pytest.raises(DataError, match=r"np\.savez"):
        load_feeds(tmp_path / "x.npz")


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_is_as_large_as_its_file_is_read_at_any_size(save: Callable[..., None], tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((200_000, 2), np.float32)
    save(tmp_path / "x.npz", x=values, y=np.zeros(10))
    assert load_feeds(tmp_path / "x.npz")["x"].shape == values.shape


def test_samples_that_are_not_packed_stay_on_the_disk(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=[1], x=np.arange(6).reshape(3, 2))
    with Archive(tmp_path / "x.npz") as found:
        values = found.on_disk("x")
    assert isinstance(values, OnDisk) and np.asarray(values).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert np.asarray(values, np.float32).dtype == np.float32


# Files that are none


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
@pytest.mark.parametrize("make", [pipe, endless, itself, Path.mkdir])
@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.png"])
def test_what_is_no_ordinary_file_is_not_waited_for(name: str, make: Forge, tmp_path: Path) -> None:
    make(tmp_path / name)
    read_by_all(tmp_path / name)
    assert label_key(str(tmp_path / name), taker("batch", 2)) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_folder_with_loops_and_pipes_gives_its_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "self.npy").symlink_to(tmp_path / "self.npy")
    os.mkfifo(tmp_path / "pipe.npy")
    np.save(tmp_path / "sub" / "x.npy", np.ones((3, 2)))
    assert load_calibration(str(tmp_path), taker("batch", 2)).samples == 3


def test_of_many_files_only_those_that_are_needed_are_opened(tmp_path: Path) -> None:
    content = stored(np.ones((1, 2), np.float32))
    for number in range(2_000):
        (tmp_path / f"{number:04}.npy").write_bytes(b"damaged" if number % 2 else content)
    assert load_calibration(str(tmp_path), taker("batch", 2), samples=4).samples == 4


def test_more_files_than_may_be_open_at_once_are_read(tmp_path: Path) -> None:
    content = stored(np.ones((1, 2), np.float32))
    for number in range(300):
        (tmp_path / f"{number:04}.npy").write_bytes(content)
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, usual[1]))
    try:
        assert load_calibration(str(tmp_path), taker("batch", 2), samples=300).samples == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


# Anything


def real_archive() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, x=np.arange(12, dtype=np.float32).reshape(6, 2), y=np.arange(6))
    return stream.getvalue()


ARCHIVE, ARRAY = real_archive(), stored(np.arange(12, dtype=np.float32).reshape(6, 2))


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file with some bytes changed, taken out or put in, or cut off at the end."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(found)))
        cut = draw(st.sampled_from([0, 1, 1, 1, 4]))
        put = draw(st.sampled_from([b"\x00", b"\xff", b"\x01", b"\xff\xff\xff\x7f", b""]) | st.binary(max_size=4))
        found[place : place + cut] = put
    return bytes(found[: draw(st.integers(0, len(found)))]) if draw(st.integers(0, 9)) == 0 else bytes(found)


def check_damaged(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    for read in (lambda: load_calibration(str(path), taker("batch", 2), labels="y"), lambda: load_feeds(path)):
        try:
            read()
        except OnnxPruneError as error:
            assert "\n" not in str(error)
    label_key(str(path), taker("batch", 2))


SUPPRESSED = [HealthCheck.function_scoped_fixture]


@settings(max_examples=150, deadline=None, suppress_health_check=SUPPRESSED)
@given(content=damaged(ARCHIVE))
def test_a_damaged_archive_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    check_damaged(content, tmp_path / "x.npz")


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=SUPPRESSED)
@given(content=damaged(ARCHIVE) | damaged(ARRAY))
def test_any_damaged_file_of_arrays_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    check_damaged(content, tmp_path / "x.npz")
