"""The text for a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onnxprune.report.page.content import common_content
from onnxprune.report.page.escape import block, code
from onnxprune.report.page.rendering import environment
from onnxprune.report.page.rows import zero_rows
from onnxprune.report.page.sources import in_markdown
from onnxprune.report.page.verdict import outputs_by_drop


def markdown_of(data: Mapping[str, Any]) -> str:
    """Return the report as Markdown, GitHub's kind."""
    sparsity, drift = data.get("sparsity"), data.get("drift")
    found = {
        **common_content(data),
        "zeros": sorted(zero_rows(sparsity), key=_zeros, reverse=True) if sparsity else [],
        "outputs": outputs_by_drop(drift) if drift else [],
    }
    text = environment("md").get_template("report.md.j2").render(**found, code=code, block=block, source=in_markdown)
    return text.strip("\n") + "\n"


def _zeros(weight: Mapping[str, Any]) -> float:
    return float(weight["zeros"] / weight["size"]) if weight["size"] else 0.0
