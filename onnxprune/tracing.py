"""Tracing: what one walk over the graph found out about a model."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property

from onnxprune.axes import Axes, Dim, free_dims
from onnxprune.model import ConstantKey, Model, enclosing_scopes
from onnxprune.record import Contraction, Record, Tensor, Use, Work
from onnxprune.walk import Walk


@dataclass(frozen=True)
class Trace:
    """What tracing found out about one model. All expressions are resolved: a dim that is left may shrink.

    `tensors` and `types` are keyed by scope and name run together: a tensor of the main graph by its name.
    """

    model: Model
    tensors: Mapping[str, Tensor]
    types: Mapping[str, int]
    uses: tuple[Use, ...]
    contractions: tuple[Contraction, ...]
    work: tuple[Work, ...]
    record: Record
    axes: Axes

    @cached_property
    def dims(self) -> tuple[Dim, ...]:
        """The prunable dims, in the order in which weights meet them: those that any weight has."""
        found = dict.fromkeys(dim for use in self.uses for axis in use.axes for dim in free_dims(axis))
        return tuple(found)

    @cached_property
    def members(self) -> Mapping[Dim, tuple[tuple[Use, int], ...]]:
        """Dim -> the weights and their axes that it is part of, in node order."""
        found: dict[Dim, list[tuple[Use, int]]] = {dim: [] for dim in self.dims}
        for use in self.uses:
            for place, axis in enumerate(use.axes):
                for dim in free_dims(axis):
                    found[dim].append((use, place))
        return {dim: tuple(members) for dim, members in found.items()}

    @cached_property
    def names(self) -> Mapping[Dim, str]:
        """Dim -> a name made of the first weight that it is part of, such as `conv1.weight[0]`."""
        names: dict[str, Dim] = {}
        for dim, members in self.members.items():
            use, place = min(members, key=_producers_first)
            parts = free_dims(use.axes[place])
            suffix = f".{parts.index(dim)}" if len(parts) > 1 else ""
            names[_unique(f"{display_name(use.constant)}[{place}]{suffix}", names)] = dim
        return {dim: name for name, dim in names.items()}

    def tensor(self, scope: str, name: str) -> Tensor | None:
        """Return what is known of a value as a node in `scope` sees it."""
        keys = (f"{outer}{name}" for outer in enclosing_scopes(scope))
        return next((self.tensors[key] for key in keys if key in self.tensors), None)


def trace(model: Model, inputs: Mapping[str, tuple[int, ...]] | None = None, allow_norm: bool = False) -> Trace:
    """Walk the graph once, call each operator's rule, and return what follows for every axis.

    `inputs` fixes the shapes of graph inputs, to see every size at that point. `allow_norm` lets axes shrink over
    which statistics are taken (the residual width of a transformer).
    """
    walk = Walk(model, inputs, allow_norm)
    walk.run()
    record, resolve = walk.record, walk.axes.resolve
    record.resolve(walk.axes)
    tensors = {
        key: Tensor(None if tensor.axes is None else tuple(map(resolve, tensor.axes)), tensor.content)
        for key, tensor in walk.tensors.items()
    }
    uses = tuple(use for _, use in sorted(record.uses.items()))
    return Trace(model, tensors, walk.types, uses, tuple(record.contractions), tuple(record.work), record, walk.axes)


def display_name(constant: ConstantKey) -> str:
    """Return how a constant is named in plans and reports: its scope (empty for the main graph) and its name."""
    return f"{constant[0]}{constant[1]}"


def _producers_first(member: tuple[Use, int]) -> tuple[bool, int]:
    """Order members so that kernels come before vectors and, stably, axis 0 before the others."""
    use, place = member
    return len(use.axes) < 2, place


def _unique(name: str, taken: Container[str]) -> str:
    candidate, n = name, 2
    while candidate in taken:
        candidate, n = f"{name}#{n}", n + 1
    return candidate
