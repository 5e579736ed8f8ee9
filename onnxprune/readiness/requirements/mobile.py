"""What onnxruntime's own checker says of a model on phones."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import onnx

from onnxprune.files.scratch import scratch_folder
from onnxprune.readiness.requirements.registry import requirement
from onnxprune.readiness.subject import Subject
from onnxprune.readiness.verdict import Observation
from onnxprune.runtime import in_one_piece, is_large


@requirement("mobile_usability")
def mobile_usability(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Ask onnxruntime's checker whether NNAPI or Core ML can be expected to help; what it says is in the details."""
    if not subject.asks:
        return Observation(None, "onnxruntime's mobile usability checker was not asked")
    if is_large(subject.given):
        return Observation(None, "too large for onnxruntime's mobile usability checker")
    from onnxruntime.tools.mobile_helpers import usability_checker

    heard = _Heard()
    logger = logging.getLogger("onnxprune.mobile_usability")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [heard]
    with scratch_folder() as folder:
        path = folder / "model.onnx"
        onnx.save(in_one_piece(subject.given), path)
        try:
            helps = usability_checker.analyze_model(path, logger=logger)
        except Exception as error:  # whatever it stumbles over is no reason to fail
            return Observation(
                None, f"onnxruntime's mobile usability checker failed: {' '.join(str(error).split())[:200]}"
            )
    which = "NNAPI or Core ML may help" if helps else "the CPU is the best place for it"
    return Observation(
        True, f"onnxruntime's mobile usability checker: {which}", details={"said": heard.lines}, is_told=True
    )


class _Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage().strip())
