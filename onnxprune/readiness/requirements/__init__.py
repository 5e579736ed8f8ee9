"""Requirements: one function for each kind of fact in a record; registering it here is all that a new kind takes."""

from onnxprune.readiness.requirements import (  # noqa: F401  (imported for what they register)
    engines,
    graph,
    mobile,
    numbers,
    sizes,
    storage,
    widths,
    zeros,
)
from onnxprune.readiness.requirements.registry import REQUIREMENTS, observe

__all__ = ["REQUIREMENTS", "observe"]
