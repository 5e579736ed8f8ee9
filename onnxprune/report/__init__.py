"""Reports: what was done, as plain data, and how it looks in a terminal."""

from __future__ import annotations

from onnxprune.report.data import Before, Facts, Inspection, Report, inspect_trace, report_of

__all__ = ["Before", "Facts", "Inspection", "Report", "inspect_trace", "report_of"]
