"""Quantization steps: how far apart two neighbouring values of a tensor are, where it can only take some values."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.model import Model
from onnxprune.verify.compare import is_narrow
from onnxprune.verify.rounding import MOVES


class Steps:
    """The steps of the tensors of one model's main graph."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._producers: dict[str, onnx.NodeProto] = {
            name: node for node in model.proto.graph.node for name in node.output
        }

    def of(self, name: str) -> float:
        """Return the step of a real tensor: its largest scale, or 0 where it takes any value."""
        producer = self._producers.get(name)
        while producer is not None and producer.op_type in MOVES:
            producer = self._producers.get(producer.input[0])
        if producer is None or producer.op_type != "DequantizeLinear":
            return 0.0
        scale = self._model.constants.get(("", producer.input[1]))
        return 0.0 if scale is None else float(np.max(self._model.array(scale)))

    def relative(self, name: str, values: NDArray[Any]) -> float:
        """Return the step of a tensor relative to the largest of its values; 0 where all are 0 or not finite."""
        largest = float(np.abs(values.astype(np.float64)).max(initial=0.0))
        step = 1.0 if is_narrow(values) else self.of(name)
        return step / largest if 0 < largest < np.inf else 0.0
