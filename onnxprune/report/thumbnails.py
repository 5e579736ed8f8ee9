"""Pictures of where zeros lie in weights: one corner of each, a point for a number."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.model import ConstantKey, Model
from onnxprune.multiplied import Multiplied, multiplied

SIDE, MOST = 64, 12
"""Outputs and input channels that are shown, and of how many weights."""


def thumbnails(pruned: Model, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return pictures of the first few of the named weights: PNG in base64, with numbers of outputs and inputs.

    Of a kernel one tap is shown, the first; what is not zero is dark.
    """
    from PIL import Image  # comes with matplotlib, which the page needs too

    known = multiplied(pruned)
    keys = {f"{scope}{name}": (scope, name) for scope, name in known}
    found = []
    for name in [name for name in names if name in keys][:MOST]:
        corner = _corner(pruned, keys[name], known[keys[name]][0])
        if corner is not None:
            stream = io.BytesIO()
            Image.fromarray(np.where(corner, 255, 0).astype(np.uint8)).save(stream, "PNG", optimize=True)
            png = base64.b64encode(stream.getvalue()).decode()
            found.append({"name": name, "rows": corner.shape[0], "columns": corner.shape[1], "png": png})
    return found


def _corner(model: Model, key: ConstantKey, use: Multiplied) -> NDArray[np.bool_] | None:
    """Return which of the first outputs and input channels are zero, bool [outs, ins]; None where there are no such."""
    if use.inputs is None or use.outs is None or use.zero is None:
        return None
    is_zero = model.array(model.constants[key]) == np.asarray(use.zero).astype(np.float32)
    turned = np.moveaxis(is_zero, (use.outs, use.inputs), (0, 1))
    return np.asarray(turned.reshape(*turned.shape[:2], -1)[:SIDE, :SIDE, 0])
