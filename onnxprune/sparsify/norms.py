"""How strong the inputs are that each number of a weight meets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.statistics import Statistics
from onnxprune.linear import layers
from onnxprune.model import Model
from onnxprune.tracing import display_name

Array = NDArray[Any]


def input_norms(model: Model, statistics: Mapping[str, Statistics]) -> dict[str, Array]:
    """Return, by the name of a weight, the root mean square of the input that each number meets, in its stored shape.

    Where several layers use one weight, it is that over all of them.
    """
    squares: dict[str, list[Array]] = {}
    for layer in layers(model):
        weight = np.broadcast_to(np.float32(0), model.constants[layer.weight].dims)
        columns = statistics[layer.output].square.astype(np.float32)
        matrix = np.broadcast_to(columns[:, :, None], layer.matrix(weight).shape)
        squares.setdefault(display_name(layer.weight), []).append(layer.stored(matrix, weight))
    return {name: np.sqrt(np.mean(found, axis=0)) for name, found in squares.items()}
