"""The page of all commands and options is what the command line says of itself."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import typer

from onnxprune.cli import app

ROOT = Path(__file__).parents[1]
GROUP: Any = typer.main.get_command(app)


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    """The names of the tool, without its folder on the path: that has a module `networks` too."""
    return runpy.run_path(str(ROOT / "tools" / "cli_reference.py"))


def test_the_page_is_up_to_date(tool: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == tool["reference"](), "run: python tools/cli_reference.py"


@pytest.mark.parametrize("name", GROUP.commands)
def test_every_option_of_a_command_stands_in_its_section_once(tool: dict[str, Any], name: str) -> None:
    section = tool["reference"]().split(f"\n## onnxprune {name}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `-")]
    for parameter in GROUP.commands[name].params:
        if parameter.param_type_name == "option":
            assert sum(f"`{parameter.opts[0]}`" in row.split(" | ")[0] for row in rows) == 1, parameter.opts
    assert "\n    onnxprune " in section


def test_an_option_is_told_with_what_it_takes_and_its_default(tool: dict[str, Any]) -> None:
    page = tool["reference"]()
    assert "\n| `--target`, `-t` TEXT | `onnxruntime` | " in page
    assert "\n| `--min-channels` NUMBER | `1` | " in page
    assert "\n| `--permute`, `--no-permute` | `--permute` | " in page
    assert "\n| `--dry-run` | | " in page


def test_a_page_that_is_not_what_would_be_written_is_noticed(
    tool: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tool["main"].__globals__, "PAGE", tmp_path / "cli.md")
    assert tool["main"](["--check"]) == 1
    assert tool["main"]([]) == 0 and tool["main"](["--check"]) == 0
    (tmp_path / "cli.md").write_text("# Something else\n", encoding="utf-8")
    assert tool["main"](["--check"]) == 1
