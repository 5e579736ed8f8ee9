"""The check of zeros: they are where they were promised, lie together as they were promised, and all else is as it was.

It finds the weights by itself and shares no code with what chooses zeros and puts them in.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from onnxprune.external import place_of
from onnxprune.model import ConstantKey, Model
from onnxprune.multiplied import Multiplied, multiplied
from onnxprune.sparsify.grouped import Grouped
from onnxprune.sparsify.unchanged import broken, check_structure, same_kind

Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Claim:
    """What is said of a pruned model.

    `granularity` as on the command line: element, N:M or block:RxC. `pruned` says how many zeros each pruned weight has
    at least; with blocks, how many in whole blocks. Of `recovered` tensors, constants of the main graph, other values
    may have changed too; `added` ones are new there.
    """

    granularity: str
    pruned: Mapping[ConstantKey, int]
    recovered: Collection[str] = frozenset()
    added: Collection[str] = frozenset()


@dataclass(frozen=True)
class SparsityCheck:
    """What was checked: pruned weights, their elements and zeros, and the number of other tensors by their fate."""

    granularity: str
    weights: int
    elements: int
    zeros: int
    recovered: int
    added: int
    unchanged: int

    @property
    def verdict(self) -> str:
        """`proved`, or `unchanged` where no zeros were promised."""
        return "proved" if self.weights else "unchanged"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the report."""
        return {**asdict(self), "verdict": self.verdict}


def check_sparsity(dense: Model, pruned: Model, claim: Claim) -> SparsityCheck:
    """Check a model with zeros in its weights against the one that it was made of, tensor by tensor and in parts.

    Every weight has its zeros: N:M along its input channels, as every product reads it; blocks as a whole. Unless it
    was recovered, it has its old values elsewhere. All other tensors are the same, bit by bit, and so are nodes,
    attributes, inputs, outputs, names and notes. Where channels were put into another order before, `dense` is the
    model in that order. Raises `VerificationError` at the first thing that is not as claimed.
    """
    return _Check(dense, pruned, claim).run()


def zeros_of(model: Model) -> dict[ConstantKey, tuple[int, int]]:
    """Return how many numbers of each weight are zero, and how many it has; not where its zero is not stored."""
    found: dict[ConstantKey, tuple[int, int]] = {}
    for key, uses in multiplied(model).items():
        tensor, zero = model.constants[key], _zero_of(uses)
        if zero is not None:
            zeros = sum(int(np.count_nonzero(is_zero)) for _, _, is_zero in _with_zeros(model.parts(tensor), zero))
            found[key] = zeros, math.prod(tensor.dims)
    return found


class _Check:
    def __init__(self, dense: Model, pruned: Model, claim: Claim) -> None:
        self._dense, self._pruned, self._claim = dense, pruned, claim
        self._grouped = Grouped.of(claim.granularity)
        self._uses: Mapping[ConstantKey, Sequence[Multiplied]] = {}
        self._elements = self._zeros = 0

    def run(self) -> SparsityCheck:
        check_structure(self._dense, self._pruned, self._claim.added)
        self._uses = multiplied(self._pruned)
        for key in self._claim.pruned:
            if key not in self._pruned.constants:
                raise broken(_shown(key), "zeros were promised in it, and the model has no such tensor")
        counts = Counter(self._look_at(key, tensor) for key, tensor in self._pruned.constants.items())
        return SparsityCheck(
            self._claim.granularity, counts["pruned"], self._elements, self._zeros,
            counts["recovered"], counts["added"], counts["unchanged"],
        )  # fmt: skip

    def _look_at(self, key: ConstantKey, tensor: TensorProto) -> str:
        """Check one tensor, and return what it is."""
        dense = self._dense.constants.get(key)
        if dense is None:
            return "added"  # of the tensors that are new no others passed the check of the structure
        same_kind(dense, tensor, _shown(key))
        if self._claim.pruned.get(key):
            self._check_zeros(key, dense, tensor)
            return "pruned"
        if self._is_recovered(key):
            return "recovered"
        if not self._is_same(dense, tensor):
            raise broken(_shown(key), "its values changed, and it was neither pruned nor recovered")
        return "unchanged"

    def _is_recovered(self, key: ConstantKey) -> bool:
        scope, name = key
        return not scope and name in self._claim.recovered

    def _is_same(self, dense: TensorProto, pruned: TensorProto) -> bool:
        """Whether two tensors hold the same bits. The same part of one file is not read."""
        place = place_of(pruned)
        is_edited = place in self._dense.edits or place in self._pruned.edits
        if dense == pruned and (place is None or (self._dense.path == self._pruned.path and not is_edited)):
            return True
        old = _Numbers(self._dense.parts(dense))
        return all(
            np.array_equal(_bits(old.next(part.size)), _bits(part.reshape(-1))) for part in self._pruned.parts(pruned)
        )

    def _check_zeros(self, key: ConstantKey, dense: TensorProto, pruned: TensorProto) -> None:
        """Check that a weight has its zeros, and its old values elsewhere unless it was recovered."""
        name, uses, promised = _shown(key), self._uses.get(key), self._claim.pruned[key]
        if uses is None:
            raise broken(name, "zeros were promised in it, and no node multiplies with it")
        zero = _zero_of(uses)
        if zero is None:
            raise broken(name, "which of its numbers mean zero is not stored, or not the same for all nodes")
        spans = [dict(each) for each in {tuple(self._grouped.spans(name, use).items()) for use in uses}]
        old = None if self._is_recovered(key) else _Numbers(self._dense.parts(dense))
        rows = math.lcm(*(each.get(0, 1) for each in spans))
        found = 0
        for start, part, is_zero in _with_zeros(self._pruned.parts(pruned, rows), zero):
            new = None if old is None else _new_zeros(name, old.next(part.size), part, is_zero)
            found += min(self._grouped.count(name, start, is_zero, new, each) for each in spans)
            self._zeros += int(np.count_nonzero(is_zero))
        self._elements += math.prod(pruned.dims)
        if found < promised:
            raise broken(name, f"it has {found:,} zeros of the {promised:,} that were promised")


class _Numbers:
    """The numbers of a tensor that is read in parts, taken in any portions."""

    def __init__(self, parts: Iterator[Array]) -> None:
        self._parts = parts
        self._left: Array = np.empty(0)

    def next(self, count: int) -> Array:
        """Return the next `count` numbers, which may be gone when others are asked for."""
        taken: list[Array] = []
        while count > self._left.size:
            if self._left.size:
                taken.append(np.array(self._left))
            count -= self._left.size
            self._left = next(self._parts).reshape(-1)
        last, self._left = self._left[:count], self._left[count:]
        return np.concatenate([*taken, last]) if taken else last


def _new_zeros(name: str, old: Array, part: Array, is_zero: Mask) -> Mask:
    """Return which numbers became zero, given those before. Raises `VerificationError` where others changed."""
    kept = (_bits(old) == _bits(part.reshape(-1))).reshape(part.shape)
    if not (kept | is_zero).all():
        raise broken(name, "numbers of it that are not zero changed, and it was not recovered")
    return np.asarray(is_zero & ~kept)


def _with_zeros(parts: Iterator[Array], zero: Array) -> Iterator[tuple[int, Array, Mask]]:
    """Yield the first row of each part of a weight, the part, and which of its numbers are zero."""
    start = 0
    for part in parts:
        by_row = zero.ndim > 0 and len(zero) > 1
        there = zero[start : start + len(part)] if by_row else zero
        yield start, part, np.asarray(part == there.astype(part.dtype))
        start += len(part)


def _zero_of(uses: Sequence[Multiplied]) -> Array | None:
    """Return the stored number that means zero to every product, or None where it is not known or not one."""
    first = uses[0].zero
    if first is None or not all(use.zero is not None and np.array_equal(use.zero, first) for use in uses):
        return None
    return first


def _bits(values: Array) -> Array:
    """Return numbers as integers of the same bits, so that -0 is not 0 and NaN is NaN."""
    return values if values.dtype == object else values.view(f"u{min(values.itemsize, 8)}")


def _shown(key: ConstantKey) -> str:
    return f"tensor '{key[0]}{key[1]}'"
