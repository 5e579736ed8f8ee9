"""Files of options that somebody edited: what click would bend into something else is refused by name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from command import error_line, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import plain, write

WITHOUT_WORK = ("--calibration", "none", "--no-verify", "--dry-run", "--quiet")
OPTIONS = {
    "amount": 0.3,
    "round-to": 4,
    "exclude": ["none*"],
    "best-effort": True,
    "seed": 3,
    "samples": 8,
    "budget": "macs",
    "target-params": "0.9x",
    "mean": "0.5",
    "shape": ["x=2x3x5x5"],
    "max_drop": 0.5,
    "memory-limit": "1GB",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(plain(), tmp_path_factory.mktemp("model") / "net.onnx")


def config(folder: Path, text: str | bytes) -> Path:
    path = folder / "prune.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("samples = 3.7", "samples = '3.7': it must be a whole number"),
        ("seed = true", "seed = 'True': it must be a whole number"),
        ("seed = 99999999999999999999", "it must be a whole number"),
        ("exclude = 'fc*'", "exclude = 'fc*': it must be a list of texts"),
        ("exclude = [1]", "it must be a list of texts"),
        ("best-effort = 'yes'", "best-effort = 'yes': it must be true or false"),
        ("best-effort = 1", "it must be true or false"),
        ("amount = '0.3'", "amount = '0.3': it must be a number"),
        ("amount = true", "it must be a number"),
        ("budget = ['macs']", "it must be a text or a number"),
        ("[budget]\nname = 'macs'", "it must be a text or a number"),
        ("budget = 2020-01-01", "it must be a text or a number"),
        ('output = "a\\u0000b"', "it must be a text or a number"),
        ("amount = nan", "--amount nan: it must be at least 0"),
        ("amount = 0.1\namount = 0.2", "not TOML"),
        ("x = " + "[" * 100_000, "not TOML"),
        ("x = " + "1" * 10_000, "not TOML"),
        (b"amount = 0.3 # \xff", "not TOML"),
        ("# " + "x" * (1 << 20), "more than 1,048,576 bytes"),
        (f"{'x' * 5000} = 1", "there is no option"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused_by_name(text: str | bytes, words: str, model: Path, tmp_path: Path) -> None:
    line = error_line(run(model, "--config", config(tmp_path, text), *WITHOUT_WORK), 2)
    assert words in line and len(line) < 3_000


def test_a_file_with_a_mark_of_its_encoding_is_read(model: Path, tmp_path: Path) -> None:
    assert run(model, "--config", config(tmp_path, b"\xef\xbb\xbfamount = 0.3\n"), *WITHOUT_WORK).exit_code == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_what_is_no_ordinary_file_is_not_waited_for(model: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        assert "cannot be read (it is " in error_line(run(model, "--config", path), 2)


SCALARS = st.sampled_from(
    [0, 1, -1, 2**62, 0.5, 1e308, float("inf"), True, False, "", "none", "0.5x", "../x", "macs", "auto"]
) | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6)


@st.composite
def options(draw: st.DrawFn) -> str:
    """Options, some of which have values of anything."""
    chosen: dict[str, Any] = {key: OPTIONS[key] for key in draw(st.sets(st.sampled_from(sorted(OPTIONS)), max_size=3))}
    for key in draw(st.lists(st.sampled_from(sorted(OPTIONS)), min_size=1, max_size=3)):
        chosen[key] = draw(SCALARS | st.lists(SCALARS, max_size=2))
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in chosen.items()).replace("Infinity", "inf")


def check_options(text: str, model: Path, folder: Path) -> None:
    result = run(model, "--config", config(folder, text), *WITHOUT_WORK)
    assert result.exit_code in (0, 1, 2) and "a mistake of onnxprune's" not in result.stderr


FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(text=options())
def test_edited_options_are_taken_or_refused(text: str, model: Path, tmp_path: Path) -> None:
    check_options(text, model, tmp_path)


@pytest.mark.slow
@settings(FEW, max_examples=2_000)
@given(text=options())
def test_any_edited_options_are_taken_or_refused(text: str, model: Path, tmp_path: Path) -> None:
    check_options(text, model, tmp_path)
