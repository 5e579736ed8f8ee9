"""The axis algebra on random expressions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from concluded import PAIR, frozen, least
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import Recipe, World, histories, pairs, random_masks, recipes, seeds, vanishing

from onnxprune.axes import (
    Axes,
    Dim,
    Expr,
    Fixed,
    Product,
    concat,
    count,
    free_dims,
    keep,
    places,
    product,
    reasons,
    size,
    spread,
    units,
)

tried = settings(max_examples=2 * settings().max_examples, deadline=5000, suppress_health_check=[HealthCheck.too_slow])


def dim_sizes(world: World) -> dict[tuple[int, str], int | None]:
    return {key: size(expr) for key, expr in world.resolved().items()}


@tried
@given(histories(symbolic=True, most=8))
def test_random_unifications_never_raise_and_sizes_never_drift(history: list[tuple[Recipe, Recipe]]) -> None:
    world = World()
    world.unify_all(history)
    assert dim_sizes(world) == {key: key[0] for key in world.dims}


@tried
@given(histories(most=8))
def test_sizes_add_up_after_resolve(history: list[tuple[Recipe, Recipe]]) -> None:
    world = World()
    world.unify_all(history)
    for recipe in (recipe for pair in history for recipe in pair):
        resolved = world.axes.resolve(world.build(recipe))
        assert size(resolved) == count(resolved, {}) == keep(resolved, {}).size == recipe.size


def normal(expr: Expr) -> bool:
    """Whether an expression is flat, has no trivial parts and no fixed neighbours that could be one."""
    if isinstance(expr, (Dim, Fixed)):
        return True
    parts = expr.factors if isinstance(expr, Product) else expr.terms
    neighbours = pairwise(parts)
    return (
        len(parts) > 1
        and not any(isinstance(part, type(expr)) for part in parts)
        and not any(size(part) == (1 if isinstance(expr, Product) else 0) for part in parts)
        and not any(isinstance(a, Fixed) and isinstance(b, Fixed) for a, b in neighbours)
        and all(normal(part) for part in parts)
    )


@tried
@given(histories(most=6))
def test_what_is_resolved_is_in_normal_form_and_resolved_for_good(history: list[tuple[Recipe, Recipe]]) -> None:
    world = World()
    world.unify_all(history)
    for recipe in (recipe for pair in history for recipe in pair):
        resolved = world.axes.resolve(world.build(recipe))
        assert normal(resolved)
        assert world.axes.resolve(resolved) == resolved


@tried
@given(histories(), pairs(), seeds)
def test_unified_axes_always_keep_the_same_positions(
    history: list[tuple[Recipe, Recipe]], pair: tuple[Recipe, Recipe], seed: int
) -> None:
    world = World()
    world.unify_all(history)
    first, second = (world.build(recipe) for recipe in pair)
    assume(world.axes.unify(first, second, "test"))
    first, second = world.axes.resolve(first), world.axes.resolve(second)
    assert set(free_dims(first)) == set(free_dims(second))
    masks = random_masks(free_dims(first), seed)
    assert keep(first, masks).tolist() == keep(second, masks).tolist()


@tried
@given(histories(), pairs(symbolic=True))
def test_unifying_again_changes_nothing(history: list[tuple[Recipe, Recipe]], pair: tuple[Recipe, Recipe]) -> None:
    world = World()
    world.unify_all(history)
    first, second = (world.build(recipe) for recipe in pair)
    world.axes.unify(first, second, "test")
    before = world.resolved()
    world.axes.unify(first, second, "again")
    assert world.resolved() == before


def test_unifying_again_changes_nothing_after_a_shared_part_was_split(axes: Axes) -> None:
    """a+b tied to 2*n and then n split: a+b and 2*n are still the same positions and must not freeze."""
    line, n = concat(axes.dim(4), axes.dim(4)), axes.dim(4)
    assert axes.unify(line, product(PAIR, n), "Reshape")
    assert axes.unify(n, concat(axes.dim(2), axes.dim(2)), "Split")
    before = axes.resolve(line)
    assert axes.unify(line, product(PAIR, n), "Add")
    assert axes.resolve(line) == before


@tried
@given(histories(most=5))
def test_the_sides_of_a_unification_can_be_swapped(history: list[tuple[Recipe, Recipe]]) -> None:
    worlds = World(), World()
    for first, second in history:
        sides = [(world.build(first), world.build(second)) for world in worlds]
        plain, swapped = worlds[0].axes.unify(*sides[0], "test"), worlds[1].axes.unify(*sides[1][::-1], "test")
        assert plain == swapped
    assert worlds[0].conclusions() == worlds[1].conclusions()


def test_conclusions_tell_apart_what_is_tied_differently() -> None:
    """The property above is worth nothing if all conclusions look alike."""
    eight = [Recipe("dim", 8, name) for name in "abc"]
    grids = [Recipe("product", parts=(Recipe("dim", 2, "a"), Recipe("dim", 4, "a")))]
    grids += [Recipe("product", parts=(Recipe("dim", 4, "a"), Recipe("dim", 2, "a")))]
    seen = []
    for pair in [(eight[0], eight[1]), (eight[0], eight[2]), (eight[0], grids[0]), (eight[0], grids[1])]:
        world = World()
        for recipe in (*eight, *grids):
            world.build(recipe)
        seen.append(world.conclusions())
        world.unify_all([pair])
        seen.append(world.conclusions())
    assert seen[0] == seen[2] == seen[4] == seen[6]
    assert all(seen[i] != seen[j] for i in (0, 1, 3, 5, 7) for j in (0, 1, 3, 5, 7) if i < j)


def causes(world: World) -> dict[tuple[int, str], list[str]]:
    """Where each named dim was frozen, without the details after the colon."""
    return {key: [reason.split(":")[0] for reason in reasons(expr)] for key, expr in world.resolved().items()}


@tried
@given(st.sampled_from((4, 8, 12)).flatmap(lambda n: st.tuples(recipes(n), recipes(n))), histories(symbolic=True))
def test_a_failed_unification_does_exactly_what_freezing_both_sides_does(
    prefixes: tuple[Recipe, Recipe], history: list[tuple[Recipe, Recipe]]
) -> None:
    """Both sides start with parts that fit, so that there is something to take back."""
    two, three = Recipe("dim", 2, "x"), Recipe("dim", 3, "x")
    tails = Recipe("product", parts=(two, three)), Recipe("product", parts=(three, two))
    failing, freezing = World(), World()
    for world in (failing, freezing):
        world.unify_all(history)
        sides = [world.build(Recipe("sum", parts=both)) for both in zip(prefixes, tails, strict=True)]
        if world is failing:
            assert not world.axes.unify(*sides, "test")
        else:
            for side in sides:
                world.axes.freeze(side, "test")
        assert frozen(world.axes, *sides)
    assert failing.resolved() == freezing.resolved()
    assert causes(failing) == causes(freezing)


@tried
@given(histories(), recipes(24), seeds)
def test_count_is_the_number_of_positions_that_keep_keeps(
    history: list[tuple[Recipe, Recipe]], recipe: Recipe, seed: int
) -> None:
    world = World()
    world.unify_all(history)
    expr = world.axes.resolve(world.build(recipe))
    masks = random_masks(free_dims(expr), seed)
    assert count(expr, {dim: int(mask.sum()) for dim, mask in masks.items()}) == keep(expr, masks).sum()


@tried
@given(histories(), recipes(24), seeds)
def test_places_of_units_in_their_old_order_are_those_that_keep_keeps(
    history: list[tuple[Recipe, Recipe]], recipe: Recipe, seed: int
) -> None:
    world = World()
    world.unify_all(history)
    expr = world.axes.resolve(world.build(recipe))
    masks = random_masks(free_dims(expr), seed)
    orders = {dim: np.flatnonzero(mask) for dim, mask in masks.items()}
    assert places(expr, orders).tolist() == np.flatnonzero(keep(expr, masks)).tolist()


@tried
@given(recipes(24), seeds)
def test_places_under_one_order_after_another_are_those_under_both(recipe: Recipe, seed: int) -> None:
    world, rng = World(), np.random.default_rng(seed)
    expr = world.axes.resolve(world.build(recipe))
    first, second = ({dim: rng.permutation(dim.size) for dim in free_dims(expr)} for _ in range(2))
    both = {dim: first[dim][second[dim]] for dim in first}
    assert places(expr, first)[places(expr, second)].tolist() == places(expr, both).tolist()


def occurrences(expr: Expr, dim: Dim) -> int:
    parts = getattr(expr, "factors", getattr(expr, "terms", ()))
    return (expr == dim) + sum(occurrences(part, dim) for part in parts)


@tried
@given(histories(), recipes(24), seeds)
def test_spread_gives_a_unit_what_vanishes_when_only_it_goes(
    history: list[tuple[Recipe, Recipe]], recipe: Recipe, seed: int
) -> None:
    world = World()
    world.unify_all(history)
    expr = world.axes.resolve(world.build(recipe))
    once = [dim for dim in free_dims(expr) if occurrences(expr, dim) == 1]
    assume(once)
    values = np.random.default_rng(seed).integers(0, 100, recipe.size)
    totals = spread(expr, values)
    assert set(totals) == set(free_dims(expr))
    for dim in once:
        assert totals[dim].tolist() == [values[vanishing(expr, dim, unit)].sum() for unit in range(dim.size)]


@tried
@given(histories(), recipes(24))
def test_units_names_for_each_position_the_last_unit_that_takes_it_along(
    history: list[tuple[Recipe, Recipe]], recipe: Recipe
) -> None:
    world = World()
    world.unify_all(history)
    expr = world.axes.resolve(world.build(recipe))
    for dim in free_dims(expr):
        gone = [np.where(vanishing(expr, dim, unit), unit, -1) for unit in range(dim.size)]
        assert units(expr, dim).tolist() == np.max(gone, axis=0).tolist()


@tried
@given(st.lists(st.tuples(st.booleans(), st.integers(2, 5), st.integers(0, 2)), min_size=1, max_size=6), seeds)
def test_spread_is_the_adjoint_of_keep_on_sums(terms: list[tuple[bool, int, int]], seed: int) -> None:
    """A dim may occur several times: what its units lose then adds up."""
    expr = concat(*(Fixed(n) if fixed else Dim(10 * n + name, n) for fixed, n, name in terms))
    values = np.random.default_rng(seed).integers(0, 100, size(expr))
    masks = random_masks(free_dims(expr), seed)
    lost = sum(int(total[~masks[dim]].sum()) for dim, total in spread(expr, values).items())
    assert values[keep(expr, masks)].sum() == values.sum() - lost


@tried
@given(recipes(24, symbolic=True))
def test_freezing_freezes_every_dim_and_nothing_else(recipe: Recipe) -> None:
    world = World()
    expr, outside = world.build(recipe), world.axes.dim(24)
    world.axes.freeze(expr, "test")
    assert frozen(world.axes, expr)
    assert world.axes.resolve(outside) == outside
    assert dim_sizes(world) == {key: key[0] for key in world.dims}


@tried
@given(st.sampled_from((12, 24)), st.data())
def test_a_plural_axis_keeps_at_least_two_positions_whatever_it_is_tied_to(total: int, data: st.DataObject) -> None:
    world = World()
    plural = world.axes.dim(total)
    world.axes.keep_plural(plural)
    for recipe in data.draw(st.lists(recipes(total), min_size=1, max_size=4)):
        world.axes.unify(plural, world.build(recipe), "test")
    assert 2 <= least(world.axes, plural) <= total


@tried
@given(st.permutations([2, 2, 2, 3]), st.permutations([2, 2, 2, 3]))
def test_products_of_the_same_primes_unify_exactly_if_their_boundaries_can_be_shared(
    left: list[int], right: list[int]
) -> None:
    """Grids line up if, of the inner sizes of both in order, each divides the next."""
    axes = Axes()
    inner = sorted({math.prod(sizes[cut:]) for sizes in (left, right) for cut in range(len(sizes))})
    fits = all(large % small == 0 for small, large in pairwise(inner))
    grids = [product(*(axes.dim(n) for n in sizes)) for sizes in (left, right)]
    assert axes.unify(*grids, "Reshape") == fits
    assert frozen(axes, *grids) != fits
