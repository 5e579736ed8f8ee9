"""From the facts to the bytes of a file. Jinja2 and matplotlib are an extra: they are imported when a page is made."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnxprune.errors import UnsupportedError, UsageError
from onnxprune.report.page.plain import plain

FORMATS = {".html": ("jinja2", "matplotlib"), ".md": ("jinja2",), ".json": ()}
"""How the name of a report may end, and the packages that each form needs."""


def check_page(path: Path) -> None:
    """Refuse a report that cannot be made, before any work is done. Raises `UsageError` and `UnsupportedError`."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--report {path}: the name must end in {', '.join(FORMATS)}")
    for package in FORMATS[path.suffix.lower()]:
        try:
            importlib.import_module(package)
        except ImportError:
            raise UnsupportedError(
                f"--report {path} needs {package}: pip install 'onnxprune[report]' (.json needs nothing)"
            ) from None


def page_of(data: Mapping[str, Any], path: Path) -> bytes:
    """Return the content of a report of that name, in the form that its suffix says.

    `data` is `Report.as_dict()`, or the JSON of it, with whatever else is known: `provenance`, `sensitivity`, `masks`.
    The same data give the same bytes. Raises what `check_page` raises.
    """
    check_page(path)
    facts = plain(data)
    kind = path.suffix.lower()
    if kind == ".json":
        return (json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    if kind == ".md":
        from onnxprune.report.page.markdown import markdown_of

        return markdown_of(facts).encode()
    from onnxprune.report.page.html import html_of

    return html_of(facts).encode()
