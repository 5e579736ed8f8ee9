"""Readiness: whether a model has what its target needs, and what is written beside it for that target.

`requirements/` has one function for each kind of fact in a record, `handover/` one for each kind of file.
"""

from onnxprune.readiness.check import check_target, lines_to_paste
from onnxprune.readiness.verdict import Finding, Observation, Status, Verdict

__all__ = ["Finding", "Observation", "Status", "Verdict", "check_target", "lines_to_paste"]
