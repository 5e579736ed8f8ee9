"""Made-up selections that are small enough to look at every combination of widths."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from onnxprune.axes import Dim
from onnxprune.cost import Term
from onnxprune.measure import Counts, Measure, Part, Widths
from onnxprune.select.choices import SLACK, Bound, Choice


@dataclass(frozen=True)
class Staircase:
    """A term that is paid for whole blocks of each of its dims."""

    factor: int
    widths: tuple[Dim, ...]
    block: int

    @property
    def dims(self) -> frozenset[Dim]:
        return frozenset(self.widths)

    def at(self, counts: Widths) -> Any:
        value: Any = self.factor
        for dim in self.widths:
            value = value * (-(-counts.get(dim, dim.size) // self.block) * self.block)
        return value


@dataclass(frozen=True)
class Jagged:
    """What one dim costs where a width that kernels do not take whole costs half more."""

    factor: float
    dim: Dim
    block: int

    @property
    def dims(self) -> frozenset[Dim]:
        return frozenset([self.dim])

    def at(self, counts: Widths) -> Any:
        width = np.asarray(counts.get(self.dim, self.dim.size))
        return self.factor * width * np.where(width % self.block, 1.5, 1.0)


@dataclass(frozen=True)
class Problem:
    """What each dim may become, and what is to be kept."""

    choices: Mapping[Dim, Choice]
    bounds: Sequence[Bound]

    def is_within(self, counts: Counts) -> bool:
        return all(bound.holds(bound.measure.at(counts)) for bound in self.bounds)

    def loss(self, counts: Counts) -> float:
        return sum(choice.loss_at(counts[dim]) for dim, choice in self.choices.items())

    def optimum(self) -> float | None:
        """The least loss within the bounds among all combinations of widths; None where there is none."""
        places = np.meshgrid(*[np.arange(len(choice.widths)) for choice in self.choices.values()], indexing="ij")
        every = {dim: at.ravel() for dim, at in zip(self.choices, places, strict=True)}
        loss = np.sum([self.choices[dim].loss[at] for dim, at in every.items()], axis=0)
        counts: Any = {dim: self.choices[dim].widths[at] for dim, at in every.items()}
        within = np.ones(len(loss), bool)
        for bound in self.bounds:
            within &= bound.measure.at(counts) <= bound.most * (1 + SLACK)
        return float(loss[within].min()) if within.any() else None


Cost = Callable[[Sequence[Dim], np.random.Generator], Sequence[Part]]


def factor(rng: np.random.Generator) -> int:
    return int(np.exp(rng.uniform(0, 4))) + 1


def additive(dims: Sequence[Dim], rng: np.random.Generator) -> Sequence[Part]:
    """Each dim costs so much for each unit."""
    return [Term(factor(rng), (dim,)) for dim in dims]


def chain(dims: Sequence[Dim], rng: np.random.Generator) -> Sequence[Part]:
    """Layers one after the other, each of which costs the product of its two widths."""
    ends = [Term(3 * factor(rng), (dim,)) for dim in (dims[0], dims[-1])]
    return [*ends, *(Term(factor(rng), pair) for pair in itertools.pairwise(dims))]


def staircase(dims: Sequence[Dim], rng: np.random.Generator) -> Sequence[Part]:
    """Layers one after the other that take whole blocks of four channels."""
    return [Staircase(factor(rng), pair, 4) for pair in itertools.pairwise(dims)] + [Staircase(9, (dims[0],), 4)]


def residual(dims: Sequence[Dim], rng: np.random.Generator) -> Sequence[Part]:
    """One wide dim that all others meet."""
    return [Term(factor(rng), (dims[0], dim)) for dim in dims] + [Term(factor(rng), (dim,)) for dim in dims]


def jagged(dims: Sequence[Dim], rng: np.random.Generator) -> Sequence[Part]:
    """Widths that are no multiple of four may cost more than wider ones."""
    return [Jagged(float(factor(rng)), dim, 4) for dim in dims]


RISING: tuple[Cost, ...] = (additive, chain, staircase, residual)
"""Costs that never fall with a width."""


def problem(seed: int, costs: Sequence[Cost], share: float = 0.5, step: int = 1) -> Problem:
    """A problem of two to four dims: each cost is to come down to a share of the way to what it is at the narrowest.

    Units have saliencies of a long-tailed distribution, the dims on scales of their own.
    """
    rng = np.random.default_rng(seed)
    dims = [Dim(place, step * int(size)) for place, size in enumerate(rng.integers(2, 9, rng.integers(2, 5)))]
    choices = {}
    for dim in dims:
        widths = np.arange(step, dim.size + 1, step)
        saliency = np.sort(rng.lognormal(0, 1.2, dim.size)) * np.exp(rng.normal())
        choices[dim] = Choice(widths, np.append(0, np.cumsum(saliency))[dim.size - widths])
    bounds = []
    for cost in costs:
        measure = Measure(cost(dims, rng), float(rng.integers(0, 100)))
        least = measure.at(dict.fromkeys(dims, step))
        bounds.append(Bound(measure, least + share * (measure.dense - least)))
    return Problem(choices, bounds)


def problems(costs: Sequence[Cost] = RISING, most: int = 3) -> st.SearchStrategy[Problem]:
    """Problems with one to `most` bounds."""
    chosen = st.lists(st.sampled_from(costs), min_size=1, max_size=most)
    return st.builds(problem, st.integers(0, 10_000), chosen, st.floats(0, 1), st.sampled_from([1, 2, 4]))
