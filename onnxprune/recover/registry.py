"""Where recovery methods are registered: one decorator, by the name that `--recover` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.errors import UsageError

Array = NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """What a layer of the pruned model is given, and what the dense layer made of it.

    `inputs` is [groups, rows, columns] and `wanted` [groups, rows, outs], in float32; `matrix`, [groups, columns,
    outs], and `bias`, [groups, outs], are the layer's as it stands. `held` marks the rows to judge by, bool [rows].
    """

    inputs: Array
    wanted: Array
    matrix: Array
    bias: Array
    held: NDArray[np.bool_]
    has_room: bool

    @cached_property
    def given(self) -> Array:
        """What the layer makes of its inputs as it stands, [groups, rows, outs]."""
        return np.asarray(self.inputs @ self.matrix + self.bias[:, None])

    @cached_property
    def frozen(self) -> NDArray[np.bool_]:
        """Which weights are zero, and stay so: bool in the shape of `matrix`."""
        return np.asarray(self.matrix == 0)

    @property
    def are_finite(self) -> bool:
        """Whether there is neither NaN nor infinity in what the layer is given, gives, and should give."""
        if not (np.isfinite(self.inputs).all() and np.isfinite(self.wanted).all()):
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(self.given).all())


@dataclass(frozen=True)
class Correction:
    """What to add to a layer's matrix, [groups, columns, outs], and to its bias, [groups, outs]."""

    matrix: Array
    bias: Array


Method: TypeAlias = "Callable[[Rows], Correction]"


@dataclass(frozen=True)
class Recovery:
    """A recovery method. Where `sequential`, inputs come from the model as it was pruned and repaired so far.

    With `moves_biases`, layers are given room for a bias where there is none.
    """

    name: str
    sequential: bool
    method: Method
    moves_biases: bool = True


RECOVERIES: dict[str, Recovery] = {}


def recovery(name: str, sequential: bool) -> Callable[[Method], Method]:
    """Register a function `(rows) -> correction` as the recovery method `name`."""

    def register(method: Method) -> Method:
        if name in RECOVERIES:
            raise ValueError(f"two recovery methods named {name}")
        RECOVERIES[name] = Recovery(name, sequential, method)
        return method

    return register


def best_recovery(with_data: bool) -> str:
    """Return the method that the benchmarks show best with or without samples (docs/benchmarks.md)."""
    return "sequential" if with_data else "none"


def find(name: str) -> Recovery:
    """Return the method of a name; raises `UsageError` for an unknown one."""
    if name not in RECOVERIES:
        raise UsageError(f"--recover {name}: it must be one of auto, none, {', '.join(RECOVERIES)}")
    return RECOVERIES[name]
