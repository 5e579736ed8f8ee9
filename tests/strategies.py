"""Random axis expressions for property tests.

An expression is drawn as a `Recipe`, which belongs to no `Axes`. So one recipe can be built in two `Axes`,
and what they conclude can be compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from onnxprune.axes import Axes, Dim, Expr, Fixed, Mask, concat, free_dims, keep, product

SIZES = (2, 3, 4, 6, 8, 12, 16, 24)


@dataclass(frozen=True)
class Recipe:
    """How to build one expression; dims of the same size and name are the same dim."""

    kind: str  # dim, fixed, symbolic, product, sum
    size: int = 0
    name: str = ""
    parts: tuple[Recipe, ...] = ()

    def __repr__(self) -> str:
        if self.parts:
            return f"{self.kind}({', '.join(map(repr, self.parts))})"
        return {"dim": f"{self.name}{self.size}", "fixed": f"{self.size}!", "symbolic": f"{self.name}!"}[self.kind]


class World:
    """One `Axes` and the dims that recipes have named in it."""

    def __init__(self) -> None:
        self.axes = Axes()
        self.dims: dict[tuple[int, str], Expr] = {}

    def build(self, recipe: Recipe) -> Expr:
        if recipe.kind == "fixed":
            return Fixed(recipe.size, f"fixed at {recipe.size}")
        if recipe.kind == "symbolic":
            return Fixed(None, "known only at run time", recipe.name)
        if recipe.kind == "dim":
            key = (recipe.size, recipe.name)
            if key not in self.dims:
                self.dims[key] = self.axes.dim(recipe.size)
            return self.dims[key]
        parts = [self.build(part) for part in recipe.parts]
        return product(*parts) if recipe.kind == "product" else concat(*parts)

    def unify_all(self, pairs: list[tuple[Recipe, Recipe]]) -> None:
        for first, second in pairs:
            self.axes.unify(self.build(first), self.build(second), "history")

    def resolved(self) -> dict[tuple[int, str], Expr]:
        """What is known of each named dim."""
        return {key: self.axes.resolve(dim) for key, dim in self.dims.items()}

    def conclusions(self, *exprs: Expr) -> Counter[frozenset[tuple[int, ...]]]:
        """What may still vanish, in terms of positions alone, so that ids and forms do not matter.

        For each free dim: the sets of positions, along all named dims and `exprs` laid end to end, that vanish with
        one unit of it.
        """
        line = concat(*(self.axes.resolve(expr) for expr in (*self.dims.values(), *exprs)))
        return Counter(
            frozenset(tuple(np.flatnonzero(vanishing(line, dim, unit))) for unit in range(dim.size))
            for dim in free_dims(line)
        )


def vanishing(expr: Expr, dim: Dim, unit: int) -> Mask:
    """Which positions of `expr` vanish when only `unit` of `dim` is removed."""
    return ~keep(expr, {dim: np.arange(dim.size) != unit})


def random_masks(dims: list[Dim], seed: int) -> dict[Dim, Mask]:
    rng = np.random.default_rng(seed)
    return {dim: rng.random(dim.size) < 0.6 for dim in dims}


seeds = st.integers(0, 2**16)


@st.composite
def recipes(draw: st.DrawFn, size: int, depth: int = 3, symbolic: bool = False) -> Recipe:
    """An expression of `size` positions; with `symbolic`, a part may have a size that only the running model knows."""
    divisors = [divisor for divisor in range(2, size) if size % divisor == 0]
    kinds = ["dim"] * 8 + ["fixed"] + ["symbolic"] * symbolic
    if depth and size > 1:
        kinds += ["sum"] * 6 + ["product"] * 10 * bool(divisors)
    kind = draw(st.sampled_from(kinds))
    if kind == "dim":
        return Recipe("dim", size, draw(st.sampled_from("abc")))
    if kind == "symbolic":
        return Recipe("symbolic", name=draw(st.sampled_from("NT")))
    if kind == "fixed":
        return Recipe("fixed", size)
    if kind == "product":
        outer = draw(st.sampled_from(divisors))
        sizes = (outer, size // outer)
    else:
        head = draw(st.integers(1, size - 1))
        sizes = (head, size - head)
    return Recipe(kind, size, parts=tuple(draw(recipes(part, depth - 1, symbolic)) for part in sizes))


@st.composite
def pairs(draw: st.DrawFn, symbolic: bool = False) -> tuple[Recipe, Recipe]:
    """Two expressions of the same size."""
    size = draw(st.sampled_from(SIZES))
    return draw(recipes(size, symbolic=symbolic)), draw(recipes(size, symbolic=symbolic))


def histories(symbolic: bool = False, most: int = 3) -> st.SearchStrategy[list[tuple[Recipe, Recipe]]]:
    """Pairs to unify before the test looks, so that it does not start from a blank slate."""
    return st.lists(pairs(symbolic), max_size=most)
