"""Facts as JSON has them, whether they come from a run or from a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return strings, finite numbers, lists and mappings; null for infinities and NaN, text for all else."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (str, bytes)):
        return _text(value)
    if isinstance(value, (Sequence, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _text(value: str | bytes) -> str:
    """Return text that can be encoded: names in models may hold any bytes."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.encode(errors="replace").decode()
