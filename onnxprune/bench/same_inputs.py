"""Models can be compared where they take the same inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from onnx import helper

from onnxprune.errors import DataError
from onnxprune.inputs import declared_inputs, fits, in_words
from onnxprune.model import Model
from onnxprune.runtime import Feeds


def check_same_inputs(models: Mapping[str, Model], feeds: Feeds) -> None:
    """Raise `DataError` where a model does not take the inputs that suit the first one."""
    baseline, *others = models
    for name in others:
        declared = declared_inputs(models[name])
        if set(declared) != set(feeds):
            raise DataError(
                f"{name} takes the inputs {_listed(declared)}, but {baseline} takes {_listed(feeds)}; only models "
                "that take the same can be compared"
            )
        for key, value in feeds.items():
            shape, kind = declared[key], _dtype(models[name], key)
            if shape is not None and not fits(value.shape, shape):
                raise DataError(
                    f"{name}: input '{key}' is {in_words(shape)}, but {in_words(value.shape)} in {baseline}; give "
                    f"sizes that all models take: --shape {key}=.."
                )
            if kind != value.dtype:
                raise DataError(
                    f"{name}: input '{key}' is {kind}, but {value.dtype} in {baseline}; only models that take the same "
                    "can be compared"
                )


def _dtype(model: Model, name: str) -> np.dtype[np.generic]:
    info = next(info for info in model.proto.graph.input if info.name == name)
    return np.dtype(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
