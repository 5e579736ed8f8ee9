"""What is measured: one dim, or all dims of a block, without a share of its least salient units."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from onnxprune.axes import Dim, Mask
from onnxprune.criteria import Saliency
from onnxprune.errors import UsageError
from onnxprune.plan import member_names
from onnxprune.sensitivity.blocks import block_of
from onnxprune.tracing import Trace

AMOUNTS = tuple(tenths / 10 for tenths in range(1, 10))
DIMS, BLOCKS = "dims", "blocks"
KINDS = {"dim": (DIMS,), "block": (BLOCKS,), "both": (DIMS, BLOCKS)}
"""What `--by` takes -> the kinds of subjects."""


@dataclass(frozen=True)
class Grid:
    """The shares of the units to remove, and from what: `by` dim, by block, or both.

    Raises `UsageError` where an amount is not between 0 and 1, there is none, or `by` is something else.
    """

    amounts: tuple[float, ...] = AMOUNTS
    by: str = "dim"

    def __post_init__(self) -> None:
        for amount in self.amounts:
            if not 0 < amount < 1:
                raise UsageError(f"--amounts {amount:g}: each must be above 0 and below 1, such as 0.25,0.5,0.75")
        if not self.amounts:
            raise UsageError("--amounts: give at least one, such as 0.5")
        if self.by not in KINDS:
            raise UsageError(f"--by {self.by}: it must be one of {', '.join(KINDS)}")
        object.__setattr__(self, "amounts", tuple(sorted(set(self.amounts))))


@dataclass(frozen=True)
class Subject:
    """What loses units: of the kind `DIMS` one dim, of `BLOCKS` all dims of a block together.

    `members` are the weight axes of the dim, or the names of the dims.
    """

    kind: str
    name: str
    dims: tuple[Dim, ...]
    members: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of units."""
        return sum(dim.size for dim in self.dims)


@dataclass(frozen=True)
class Candidate:
    """A subject without some of its units. `amounts` are all those that come to this, in whole units.

    `masks` say by the name of a dim which units stay; dims that keep all of them are left out.
    """

    subject: Subject
    amounts: tuple[float, ...]
    kept: int
    masks: Mapping[str, Mask]

    def __str__(self) -> str:
        return f"'{self.subject.name}' without {1 - self.kept / self.subject.size:.0%} of its units"


def subjects_of(found: Trace, protected: Collection[Dim], by: str) -> list[Subject]:
    """Return the dims that are not protected, their blocks, or both, in the order of the trace."""
    dims = [dim for dim in found.dims if dim not in protected]
    blocks: dict[str, list[Dim]] = {}
    for dim in dims:
        blocks.setdefault(block_of(found, dim), []).append(dim)
    subjects = [Subject(DIMS, found.names[dim], (dim,), tuple(member_names(found, dim))) for dim in dims]
    for name, own in blocks.items():
        subjects.append(Subject(BLOCKS, name, tuple(own), tuple(found.names[dim] for dim in own)))
    return [subject for subject in subjects if subject.kind in KINDS[by]]


def candidates_of(
    found: Trace, saliency: Saliency, subject: Subject, amounts: Collection[float]
) -> Iterator[Candidate]:
    """Yield what has to be measured for some amounts of a subject: those of the same widths are one candidate."""
    by_widths: dict[tuple[int, ...], list[float]] = {}
    for amount in sorted(amounts):
        widths = tuple(kept_units(found, dim, amount) for dim in subject.dims)
        by_widths.setdefault(widths, []).append(amount)
    for widths, own in by_widths.items():
        pairs = [(dim, kept) for dim, kept in zip(subject.dims, widths, strict=True) if kept < dim.size]
        masks = {found.names[dim]: _most_salient(saliency, dim, kept) for dim, kept in pairs}
        yield Candidate(subject, tuple(own), sum(widths), masks)


def kept_units(found: Trace, dim: Dim, amount: float) -> int:
    """Return how many units a dim keeps: the amount in the nearest whole number is gone, as far as it may shrink."""
    return min(dim.size, max(dim.size - int(amount * dim.size + 0.5), found.axes.minimum(dim)))


def _most_salient(saliency: Saliency, dim: Dim, kept: int) -> Mask:
    mask = np.ones(dim.size, bool)
    mask[np.argsort(saliency[dim], kind="stable")[: dim.size - kept]] = False
    return mask
