"""Models that give back what they are fed, which shows what calibration reads for them, and archives to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxprune.calibrate import Calibration
from onnxprune.calibrate.readers import load_calibration
from onnxprune.model import Model
from onnxprune.runtime import Session

FLOAT, HALF, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
INT64, INT32, UINT8 = TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8
BOOL, STRING = TensorProto.BOOL, TensorProto.STRING


def taker(
    *shape: int | str | None, dtype: int = FLOAT, stored: dict[str, Any] | None = None, ir: int = 8, **others: Any
) -> Model:
    """A model whose input x has a shape and type, and `others` [type, *shape]; `stored` are defaults of some."""
    wanted = {"x": (dtype, *shape), **others}
    inputs = [helper.make_tensor_value_info(name, kind, sizes) for name, (kind, *sizes) in wanted.items()]
    nodes = [helper.make_node("Identity", [name], [f"{name}.same"]) for name in wanted]
    outputs = [helper.make_tensor_value_info(f"{name}.same", kind, None) for name, (kind, *_) in wanted.items()]
    defaults = [numpy_helper.from_array(np.asarray(value), name) for name, value in (stored or {}).items()]
    graph = helper.make_graph(nodes, "taker", inputs, outputs, defaults)
    return Model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=ir))


def taken(model: Model, calibration: Calibration, name: str = "x") -> list[Any]:
    """What the model takes as one of its inputs, batch by batch."""
    session = Session(model, [f"{name}.same"])
    return [session.run(batch)[0] for batch in calibration.batches]


def counted(samples: int, *shape: int, dtype: Any = np.float32) -> np.ndarray:
    """Samples of a shape, each of which is filled with its number."""
    numbers = np.arange(samples, dtype=dtype).reshape(samples, *[1] * len(shape))
    return np.broadcast_to(numbers, (samples, *shape))


class Reader:
    """Writes arrays and reads them for a model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, model: Model, options: dict[str, Any] | None = None, **arrays: Any) -> Calibration:
        path = self.folder / "data.npz"
        np.savez(path, **arrays)
        return load_calibration(str(path), model, **(options or {}))

    def fails(self, error: type[Exception], message: str, *given: Any, **arrays: Any) -> None:
        with pytest.raises(error, match=message) as raised:
            self(*given, **arrays)
        assert "\n" not in str(raised.value)
