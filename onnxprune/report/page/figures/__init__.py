"""The pictures of a page: matplotlib draws, and what it draws becomes SVG that takes its colours from the page."""

from __future__ import annotations

from onnxprune.report.page.figures.drawn import Drawn, drawn

__all__ = ["Drawn", "drawn"]
