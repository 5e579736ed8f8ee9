"""What mkdocs does to a page before it makes HTML of it.

The pages link to code and to files beside docs/ by relative paths, as repositories show them. A site has none of these
files. With a `repo_url` in mkdocs.yml they become links to the repository; without one their text stays. And what
belongs to an item of a list is set in by two spaces, where the Markdown of mkdocs wants four.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```[^\S\n]*$|^(?: {4}|\t)[^\n]*$", re.MULTILINE | re.DOTALL)
"""Code: fenced, or set in by four spaces. Nothing in it is a link."""


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Return the text of a page as mkdocs wants it; mkdocs calls this for each page."""
    docs = Path(config["docs_dir"])
    return indented(rewritten(markdown, page.file.src_uri, docs, config.get("repo_url") or ""))


def rewritten(markdown: str, place: str, docs: Path, repository: str) -> str:
    """Rewrite the links of the page at `place` in docs/ that leave it, outside of code.

    Raises `FileNotFoundError` for a link to a file that is not there.
    """
    parts, end = [], 0
    for code in FENCE.finditer(markdown):
        parts += [_prose(markdown[end : code.start()], place, docs, repository), code.group()]
        end = code.end()
    return "".join([*parts, _prose(markdown[end:], place, docs, repository)])


def _prose(text: str, place: str, docs: Path, repository: str) -> str:
    def replaced(link: re.Match[str]) -> str:
        said, to = link.groups()
        path, _, anchor = to.partition("#")
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(place), path))
        if "://" in to or not inside.startswith("../"):
            return link.group()
        target = (docs / inside).resolve()
        if not target.exists():
            raise FileNotFoundError(f"docs/{place}: the link to {to} leads nowhere")
        if not repository:
            return said
        kind = "tree" if target.is_dir() else "blob"
        path = posixpath.normpath(posixpath.join(docs.name, inside))
        return f"[{said}]({repository.rstrip('/')}/{kind}/HEAD/{path}{'#' + anchor if anchor else ''})"

    return LINK.sub(replaced, text)


def indented(markdown: str) -> str:
    """Set in by two more spaces what belongs to an item of a list, and put a blank line behind it where it had one."""
    lines: list[str] = []
    is_item = is_code = is_long = False
    for line in markdown.split("\n"):
        is_code ^= line.startswith("```")
        starts_item = line.startswith("* ") and not is_code
        if starts_item and is_long and lines[-1]:
            lines.append("")
        if line and not line.startswith(" "):
            is_item, is_long = starts_item, False
        is_long |= is_item and not line
        lines.append(f"  {line}" if is_item and line.startswith("  ") else line)
    return "\n".join(lines)
