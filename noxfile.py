"""Tests with the versions that are promised: each Python with the newest packages, and the oldest packages of all.

`nox` runs everything, `nox -s oldest` or `nox -s tests-3.13` one session; what stands behind `--` goes to pytest. See
docs/testing.md. A session that ran in full notes the versions it passed with in docs/tested_versions.json.
"""

from __future__ import annotations

import nox

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
"""From `requires-python` in pyproject.toml to the newest that is tested."""

nox.needs_version = ">=2024.3.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test with the newest packages that this Python can have."""
    session.install("--upgrade", ".[test]")
    _test(session, f"newest-{session.python}")


@nox.session(python=PYTHONS[0], venv_backend="uv")
def oldest(session: nox.Session) -> None:
    """Test with exactly the lower bounds in pyproject.toml, on the oldest Python; only uv can choose them."""
    session.install("--resolution", "lowest-direct", ".[test]")
    _test(session, "oldest")


def _test(session: nox.Session, name: str) -> None:
    session.run("pytest", "-q", *(session.posargs or ["-n", "auto"]))
    if not session.posargs:
        session.run("python", "tools/tested_versions.py", name)
