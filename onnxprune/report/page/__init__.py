"""The report as a file: a page, text for a pull request, or JSON, all of the same facts."""

from __future__ import annotations

from onnxprune.report.page.write import FORMATS, check_page, page_of

__all__ = ["FORMATS", "check_page", "page_of"]
