"""One thing before and after; None where it is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import onnx

Status: TypeAlias = Literal["changed", "removed", "added", "same"]

NUMPY_NAMES = {"float": "float32", "double": "float64"}
"""Element types that numpy calls otherwise than onnx does."""


@dataclass(frozen=True)
class Change:
    """What something was and what it is."""

    before: Any
    after: Any

    @property
    def status(self) -> Status:
        """Whether it came, went, became another, or stayed as it was."""
        if self.before is None or self.after is None:
            return "same" if self.before is self.after else "added" if self.before is None else "removed"
        return "same" if self.before == self.after else "changed"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"before": self.before, "after": self.after}


def dtype_name(data_type: int) -> str:
    """Return what an element type is called: float32, int8."""
    try:
        name = onnx.TensorProto.DataType.Name(data_type).lower()
    except ValueError:
        return f"type {data_type}"
    return NUMPY_NAMES.get(name, name)
