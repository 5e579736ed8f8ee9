"""Images that are damaged, far too large, or something else under a name of images: one clear line."""

from __future__ import annotations

import io
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from takers import taker

from onnxprune.calibrate import images
from onnxprune.calibrate.readers import load_calibration
from onnxprune.errors import DataError

pillow = pytest.importorskip("PIL.Image")


def picture(form: str = "PNG", size: tuple[int, int] = (6, 4)) -> bytes:
    stream = io.BytesIO()
    pillow.new("RGB", size, (10, 200, 30)).save(stream, form)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_that_says(width: int, height: int) -> bytes:
    """A small file that says that it is a large picture."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n0 0 10 10 rectfill\nshowpage\n%%EOF\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png_that_says(11_000, 11_000), "has 11000 x 11000 pixels, more than are read"),
        (png_that_says(100_000, 100_000), "not an image that Pillow can read"),
        (png_that_says(20, 20), "not an image that Pillow can read"),
        (picture()[:-40], "not an image that Pillow can read"),
        (picture("JPEG")[:300], "not an image that Pillow can read"),
        (POSTSCRIPT, "not an image that Pillow can read"),
        (b"", "not an image that Pillow can read"),
    ],
    ids=["large", "bomb", "short of pixels", "cut png", "cut jpeg", "postscript", "empty"],
)
def test_a_picture_that_lies_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=words) as failure:
        load_calibration(str(tmp_path / "x.png"), taker("batch", 3, 8, 8))
    assert "\n" not in str(failure.value)


def test_no_program_is_started_for_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would start Ghostscript for what is PostScript, whatever the file is called."""
    started: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **named: started.append(given))
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs")
    (tmp_path / "x.jpg").write_bytes(POSTSCRIPT)
    with pytest.raises(DataError, match="not an image"):
        load_calibration(str(tmp_path / "x.jpg"), taker("batch", 3, 8, 8))
    assert started == []


@pytest.mark.parametrize("form", images.FORMATS)
def test_every_form_that_is_named_is_read(form: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(picture(form))
    assert load_calibration(str(tmp_path / "x.png"), taker("batch", 3, 8, 8)).samples == 1


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = bytearray(picture(draw(st.sampled_from(images.FORMATS))))
    for place in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
        content[place] = draw(st.integers(0, 255))
    return bytes(content)


def check_damaged(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    try:
        load_calibration(str(path), taker("batch", 3, 8, 8))
    except DataError as error:
        assert "\n" not in str(error)


QUIET = pytest.mark.filterwarnings("ignore")  # of Pillow, which tells of what it passes over


@QUIET
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged())
def test_a_damaged_picture_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    check_damaged(content, tmp_path / "x.png")


@pytest.mark.slow
@QUIET
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged())
def test_any_damaged_picture_is_read_or_refused(content: bytes, tmp_path: Path) -> None:
    check_damaged(content, tmp_path / "x.png")
