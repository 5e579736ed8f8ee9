"""Running the command line in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from onnxprune.cli import app


def run(*arguments: str | Path) -> Result:
    """Run `onnxprune` with these arguments in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_json(*arguments: str | Path) -> dict[str, Any]:
    """Run with `--json`; return the one object that stdout must then hold."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    data = strict_json(result.stdout)
    assert isinstance(data, dict)
    return data


def strict_json(text: str) -> Any:
    """Parse JSON as strict readers do: without NaN and Infinity."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def error_line(result: Result, exit_code: int = 1) -> str:
    """Check that a run failed in one clear line on stderr and said nothing on stdout; return the line."""
    assert isinstance(result.exception, SystemExit), f"it raised {result.exception!r}"
    assert result.exit_code == exit_code
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ") and result.stdout == ""
    return line


def files(folder: Path) -> set[str]:
    """Names of everything in a folder."""
    return {path.name for path in folder.iterdir()}
