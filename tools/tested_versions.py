"""Note the versions that the tests passed with: in docs/tested_versions.json, and from there in docs/testing.md.

A session of noxfile.py that ran every test calls it with the session's name. Without a name it writes the table alone.

    python tools/tested_versions.py oldest
"""

from __future__ import annotations

import json
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
NOTES, PAGE = DOCS / "tested_versions.json", DOCS / "testing.md"
BEGIN, END = "<!-- table of versions: made by tools/tested_versions.py -->", "<!-- end of the table of versions -->"
NAME = re.compile(r"[\w.-]+")

Notes = dict[str, dict[str, str]]
"""The version of each package, and of Python, by session."""


def installed() -> dict[str, str]:
    """Return the versions of Python and of what onnxprune and its tests ask for by name."""
    lines = requires("onnxprune") or []
    asked = [line for line in lines if "extra ==" not in line or re.search("extra == .test", line)]
    found = {"python": platform.python_version()}
    for line in asked:
        name = NAME.match(line)
        try:
            found |= {name.group(): version(name.group())} if name else {}
        except PackageNotFoundError:
            continue  # not for this Python
    return found


def table(notes: Notes) -> str:
    """Return the notes as a Markdown table: a row for each package, a column for each session."""
    sessions = sorted(notes, key=lambda name: (name != "oldest", name))
    names = ["python", *sorted({name for found in notes.values() for name in found} - {"python"})]
    rows = [["", *sessions], ["---"] * (1 + len(sessions))]
    rows += [[name, *(notes[session].get(name, "") for session in sessions)] for name in names]
    return "\n".join(" ".join(f"| {cell}".rstrip() for cell in row) + " |" for row in rows)


def main(sessions: list[str]) -> None:
    """Note what is installed as tested in these sessions, and write the table."""
    notes: Notes = json.loads(NOTES.read_text(encoding="utf-8")) if NOTES.exists() else {}
    notes |= {session: installed() for session in sessions}
    NOTES.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    if rest:
        text = f"{head}{BEGIN}\n\n{table(notes)}\n\n{END}{rest.partition(END)[2]}"
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
