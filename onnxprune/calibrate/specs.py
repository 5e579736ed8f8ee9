"""What the inputs of a model take: their types and shapes, and given values cast to them or refused in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from onnxprune.errors import DataError, ModelError
from onnxprune.model import Model
from onnxprune.reading import AnyArray
from onnxprune.shapes import Shape, shape_of

CASTS = {"f": "fiub", "V": "fiub", "i": "iub", "u": "iub", "b": "biu", "O": "OU"}
"""Kind of the wanted dtype -> kinds that are cast to it; V are the reals that numpy lacks, O is text."""


@dataclass(frozen=True)
class InputSpec:
    """One graph input: its type, and its shape if its rank is declared.

    `required` is False where an initializer of the same name is its default.
    """

    name: str
    dtype: np.dtype[Any]
    shape: Shape | None
    required: bool = True

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.type_name} of any shape"
        return f"{self.type_name} [{', '.join('?' if length is None else str(length) for length in self.shape)}]"

    @property
    def type_name(self) -> str:
        """The name of the element type: numpy holds text as objects."""
        return "text" if self.dtype.kind == "O" else self.dtype.name

    @property
    def sample_axis(self) -> int:
        """The axis that counts samples: the one with 'batch' in its name, or the first."""
        named = (
            a for a, length in enumerate(self.shape or ()) if isinstance(length, str) and "batch" in length.lower()
        )
        return next(named, 0)

    @property
    def batch(self) -> int | None:
        """The number of samples that every run has to hold, or None where it is open."""
        length = self.shape[self.sample_axis] if self.shape else None
        return length if isinstance(length, int) and length > 0 else None

    def check(self, values: AnyArray, where: str, one_by_one: bool = False) -> None:
        """Raise `DataError` where values have a type or shape that the input cannot take, whatever their number.

        With `one_by_one` the values have an axis in front that the input lacks.
        """
        if values.dtype.kind not in CASTS.get(self.dtype.kind, "") and values.dtype != self.dtype:
            raise self.refusal(values, where, f"{_type(values.dtype)} is not cast to {self.type_name}")
        if self.shape is None:
            return
        given = values.shape[1:] if one_by_one else values.shape
        if len(given) != len(self.shape):
            raise self.refusal(values, where, f"the number of axes is {len(given)}, not {len(self.shape)}")
        for axis, (found, wanted) in enumerate(zip(given, self.shape, strict=True)):
            counts_samples = axis == self.sample_axis and not one_by_one
            if isinstance(wanted, int) and found != wanted and not counts_samples:
                raise self.refusal(values, where, f"axis {axis + one_by_one} is {found}, not {wanted}")

    def cast(self, values: NDArray[Any], where: str) -> NDArray[Any]:
        """Return values in the type of the input.

        Raises `DataError` where one of them is NaN or infinite, or would not survive the cast.
        """
        if self.dtype.kind in "fV":
            if not np.isfinite(values).all():
                raise self.refusal(values, where, "some values are NaN or infinite")
            with np.errstate(over="ignore"):
                cast = values.astype(self.dtype, order="C", copy=False)
            kept = bool(np.isfinite(cast).all())
        else:
            cast = values.astype(self.dtype, order="C", copy=False)
            kept = np.array_equal(cast, values)
        if not kept:
            raise self.refusal(values, where, f"values from {values.min()} to {values.max()} do not fit")
        return np.asarray(cast)

    def refusal(self, values: AnyArray, where: str, reason: str) -> DataError:
        """Return the error that says what was wanted, what was found and what is wrong with it."""
        found = f"{_type(values.dtype)} {list(values.shape)}"
        return DataError(f"{where}: input '{self.name}' wants {self}, found {found}: {reason}")


def input_specs(model: Model) -> tuple[InputSpec, ...]:
    """Return what the graph inputs take, in the order of the graph.

    Raises `ModelError` where there are none to feed, or one of them is not a tensor.
    """
    graph = model.proto.graph
    stored = {tensor.name for tensor in graph.initializer}
    for info in graph.input:
        if not info.type.HasField("tensor_type"):
            raise ModelError(f"input '{info.name}' is not a tensor; such a model cannot be calibrated on given data")
    specs = tuple(
        InputSpec(
            info.name,
            np.dtype(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)),
            shape_of(info),
            info.name not in stored,
        )
        for info in graph.input
    )
    if not any(spec.required for spec in specs):
        raise ModelError("the model has no inputs; there is nothing to calibrate it on")
    return specs


def _type(dtype: np.dtype[Any]) -> str:
    return "text" if dtype.kind == "U" else dtype.name
