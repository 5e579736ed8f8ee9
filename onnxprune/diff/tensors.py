"""What became of each stored tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from onnxprune.diff.change import Change, Status, dtype_name
from onnxprune.diff.graphs import Graphs, label
from onnxprune.diff.values import Apart, Side, measured
from onnxprune.model import ConstantKey, Model, enclosing_scopes

FEW = 8
"""Values that are told one by one: shapes, scales."""


@dataclass(frozen=True)
class Stored:
    """What one model stores under a name."""

    shape: tuple[int, ...]
    dtype: str
    zeros: int | None
    form: str
    """An initializer, a Constant, or one of these as values and their places."""

    @property
    def size(self) -> int:
        """How many elements there are."""
        return prod(self.shape)

    @property
    def share_of_zeros(self) -> float | None:
        """The share of stored values that are 0; None for text and for tensors of no elements."""
        return None if self.zeros is None or not self.size else self.zeros / self.size


@dataclass(frozen=True)
class TensorDiff:
    """A stored tensor of either model, and what became of it."""

    place: str
    name: str
    before: Stored | None
    after: Stored | None
    apart: Apart | None
    """None where values are not compared one by one: the shape is another, or the type is no real number any more."""
    values: Change | None
    """Where they are others: those of each side, flattened, if they are few numbers."""
    nodes: tuple[str, ...]
    """Those that read it, in either model."""

    @property
    def changed(self) -> tuple[str, ...]:
        """What is different about a tensor that both models have: shape, dtype, values, form."""
        if self.before is None or self.after is None:
            return ()
        found = [name for name in ("shape", "dtype") if getattr(self.before, name) != getattr(self.after, name)]
        found += ["values"] * bool(self.apart and self.apart.elements)
        return (*found, *["form"] * (self.before.form != self.after.form))

    @property
    def status(self) -> Status:
        """Whether it came, went, changed, or stayed as it was."""
        if self.before is None or self.after is None:
            return Change(self.before, self.after).status
        return "changed" if self.changed else "same"

    def as_dict(self) -> dict[str, Any]:
        """Return all that is known as plain data."""
        sides = [
            {} if side is None else {**vars(side), "shape": list(side.shape), "zeros": side.share_of_zeros}
            for side in (self.before, self.after)
        ]
        what = {key: {"before": sides[0].get(key), "after": sides[1].get(key)} for key in Stored.__annotations__}
        return {
            "place": self.place,
            "name": self.name,
            "status": self.status,
            "changed": list(self.changed),
            **what,
            "elements_changed": None if self.apart is None else self.apart.elements,
            "relative_change": None if self.apart is None else self.apart.relative,
            "values": None if self.values is None else self.values.as_dict(),
            "nodes": list(self.nodes),
        }


@dataclass(frozen=True)
class Holder:
    """One of the models: its tensors as dense ones, which were sparse in the file, and who reads what."""

    model: Model
    sparse: frozenset[ConstantKey]
    readers: dict[ConstantKey, list[str]]

    @staticmethod
    def of(model: Model, sparse: Iterable[ConstantKey], places: Mapping[str, str]) -> Holder:
        """Look once at who reads what; `places` is what the scopes are called."""
        return Holder(model, frozenset(sparse), _readers(model, places))

    def side(self, scope: str | None, name: str) -> Side | None:
        """Return what is stored under a name, or None."""
        tensor = None if scope is None else self.model.constants.get((scope, name))
        return None if tensor is None else Side(self.model, tensor)

    def read_by(self, scope: str | None, name: str) -> list[str]:
        """Return the nodes that read a tensor."""
        return [] if scope is None else self.readers.get((scope, name), [])

    def stored(self, side: Side | None, key: tuple[str | None, str], zeros: int | None) -> Stored | None:
        """Return the facts about what is stored."""
        if side is None:
            return None
        kind = "Constant" if key in self.model.producers else "initializer"
        form = f"sparse {kind}" if key in self.sparse else kind
        return Stored(tuple(side.tensor.dims), dtype_name(side.tensor.data_type), zeros, form)


def tensors_side_by_side(before: Holder, after: Holder, graphs: Graphs) -> Iterator[TensorDiff]:
    """Yield the stored tensors of two graphs that go together: those of the first in their order, then the new ones."""
    old, new = graphs.scopes
    names = [name for scope, name in before.model.constants if scope == old]
    names += [name for scope, name in after.model.constants if scope == new]
    for name in dict.fromkeys(names):
        sides = before.side(old, name), after.side(new, name)
        facts = measured(*sides)
        stored = (
            before.stored(sides[0], (old, name), facts.zeros[0]),
            after.stored(sides[1], (new, name), facts.zeros[1]),
        )
        nodes = dict.fromkeys([*before.read_by(old, name), *after.read_by(new, name)])
        yield TensorDiff(graphs.place, name, *stored, facts.apart, _values(*sides, facts.apart), tuple(nodes))


def _values(old: Side | None, new: Side | None, distance: Apart | None) -> Change | None:
    """Return the values of both if they are few numbers and not the same."""
    if old is None or new is None or (distance is not None and not distance.elements):
        return None
    few = _few(old), _few(new)
    return None if None in few else Change(*few)


def _few(side: Side) -> list[Any] | None:
    """Return the values of a small tensor of numbers, flattened."""
    if not 0 < prod(side.tensor.dims) <= FEW:
        return None
    (values,) = side.blocks()
    return list(values.tolist()) if values.dtype.kind in "biuf" else None


def _readers(model: Model, places: Mapping[str, str]) -> dict[ConstantKey, list[str]]:
    """Return the nodes that read each stored tensor, also those inside of bodies that do not hide it."""
    known: dict[str, set[str]] = {scope: {info.name for info in graph.input} for scope, graph in model.graphs.items()}
    for scope, name in (*model.constants, *model.producers):
        known[scope].add(name)
    found: dict[ConstantKey, list[str]] = {}
    for scope, graph in model.graphs.items():
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                holder = next((outer for outer in enclosing_scopes(scope) if name in known[outer]), None)
                if holder is not None and (holder, name) in model.constants:
                    found.setdefault((holder, name), []).append(places[scope] + label(node))
    return found
