"""Reports: what was done, as plain data, and how it looks in a terminal."""

from __future__ import annotations

from onnxprune.report.channels import report_of
from onnxprune.report.data import Before, Facts, Report
from onnxprune.report.inspection import Inspection, inspect_trace

__all__ = ["Before", "Facts", "Inspection", "Report", "inspect_trace", "report_of"]
