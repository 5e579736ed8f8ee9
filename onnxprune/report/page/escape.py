"""Names and messages in Markdown: no letter of theirs means anything there."""

from __future__ import annotations

import re
from typing import Any

MEANING = re.compile(r"([\\`*_{}\[\]<>#|~&!])")
SPACE = re.compile(r"\s+")


class Written(str):
    """Text that is Markdown already."""

    __slots__ = ()


def for_markdown(text: str) -> Written:
    """Return text on one line, with everything escaped that has a meaning."""
    return text if isinstance(text, Written) else Written(MEANING.sub(r"\\\1", SPACE.sub(" ", text)))


def finalized(value: Any) -> Any:
    """Return what a template puts in: numbers as they are, text escaped unless it is Markdown already."""
    return for_markdown(value) if isinstance(value, str) else value


def code(value: Any) -> Written:
    """Return a name as code, which can stand in a cell of a table."""
    text = SPACE.sub(" ", str(value)).replace("|", "\\|")
    fence = _fence(text, 1)
    pad = " " if "`" in text else ""
    return Written(f"{fence}{pad}{text or ' '}{pad}{fence}")


def block(value: Any, language: str = "") -> Written:
    """Return lines as a block of code."""
    text = str(value).rstrip("\n")
    fence = _fence(text, 3)
    return Written(f"{fence}{language}\n{text}\n{fence}")


def _fence(text: str, least: int) -> str:
    """Return more backticks than any that follow each other in a text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(longest + 1, least)
