"""The page: one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onnxprune.report.page.content import page_content
from onnxprune.report.page.rendering import environment


def html_of(data: Mapping[str, Any]) -> str:
    """Return the page."""
    return environment("html").get_template("report.html.j2").render(page_content(data))
