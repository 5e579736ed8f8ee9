"""What unifying and freezing axes concludes, and what is said where it fails."""

from __future__ import annotations

import pytest
from concluded import PAIR, SYMBOLIC, frozen, least, only_dim

from onnxprune.axes import ONE, Axes, Dim, Fixed, concat, free_dims, product, reasons, show

# --- Where axes line up -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swap", [False, True])
def test_the_larger_factor_splits_wherever_the_smaller_one_divides_it(axes: Axes, swap: bool) -> None:
    sides = product(axes.dim(12), axes.dim(2)), product(axes.dim(4), axes.dim(6))
    assert axes.unify(*(reversed(sides) if swap else sides), "Reshape")
    first, second = (axes.resolve(side) for side in sides)
    assert first == second
    assert [dim.size for dim in free_dims(first)] == [4, 3, 2]


def test_equal_dims_are_one_dim_however_they_were_made(axes: Axes) -> None:
    x = axes.dim(4)
    assert isinstance(x, Dim)
    assert axes.unify(x, Dim(x.id, x.size), "Add")
    assert not frozen(axes, x)


def test_a_symbolic_factor_lines_up_with_one_of_the_same_name_that_is_open_for_another_reason(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    others = Fixed(None, "the batch", "N"), Fixed(None, "an input", "N")
    assert axes.unify(product(x, others[0]), product(y, others[1]), "Add")
    assert axes.resolve(x) == axes.resolve(y)
    assert not frozen(axes, x)


# --- Failed unification -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swap", [False, True])
def test_a_failed_unification_leaves_nothing_half_bound(axes: Axes, swap: bool) -> None:
    """The first terms fit and the second ones do not: the first ones are not tied either, and all are frozen."""
    x, y = axes.dim(4), axes.dim(4)
    outside = axes.dim(9)
    sides = concat(x, product(axes.dim(2), axes.dim(3))), concat(y, product(axes.dim(3), axes.dim(2)))
    assert not axes.unify(*(reversed(sides) if swap else sides), "Add_7")
    assert axes.resolve(x) == axes.resolve(y) == Fixed(4)
    assert all(axes.resolve(side) == Fixed(10) for side in sides)
    assert axes.resolve(outside) == outside


def test_a_failed_unification_takes_back_what_it_froze_on_the_way(axes: Axes) -> None:
    """x meets a constant before the sides turn out not to fit: it is frozen by the failure, not by the constant."""
    x = axes.dim(4)
    first = concat(x, product(axes.dim(2), axes.dim(3)))
    second = concat(Fixed(4, "constant"), product(axes.dim(3), axes.dim(2)))
    assert not axes.unify(first, second, "Add_7")
    (reason,) = reasons(axes.resolve(x))
    assert reason.startswith("Add_7: ")


def test_a_failed_unification_names_the_place_and_the_reason_on_both_sides(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(5)
    assert not axes.unify(x, y, "Add_7")
    for side in (x, y):
        (reason,) = reasons(axes.resolve(side))
        assert reason.startswith("Add_7: ")
        assert "4" in reason
        assert "5" in reason


def test_a_failed_unification_keeps_what_was_concluded_before(axes: Axes) -> None:
    x, a, b = axes.dim(6), axes.dim(2), axes.dim(3)
    assert axes.unify(x, product(a, b), "Reshape_1")
    axes.freeze(b, "an earlier reason")
    assert not axes.unify(x, axes.dim(7), "Add_2")
    assert axes.resolve(b) == Fixed(3)
    assert reasons(axes.resolve(b)) == ["an earlier reason"]
    assert reasons(axes.resolve(a))[0].startswith("Add_2: ")


def test_a_failed_unification_freezes_what_shares_a_dim_with_it(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.unify(x, y, "Add_1")
    axes.unify(x, axes.dim(3), "Add_2")
    assert frozen(axes, y)


def test_axes_of_different_sizes_never_unify_not_even_one_by_broadcasting(axes: Axes) -> None:
    x = axes.dim(4)
    assert not axes.unify(axes.dim(1), x, "Mul")
    assert frozen(axes, x)


def test_an_axis_that_would_contain_itself_freezes(axes: Axes) -> None:
    x = axes.dim(4)
    assert not axes.unify(x, concat(x, SYMBOLIC), "Concat")
    assert axes.resolve(x) == Fixed(4)


def test_a_boundary_inside_a_unit_freezes(axes: Axes) -> None:
    grid, line = product(axes.dim(2), axes.dim(3)), concat(axes.dim(2), axes.dim(4))
    assert not axes.unify(grid, line, "Split")
    assert frozen(axes, grid, line)


# --- Freezing and its reasons -----------------------------------------------------------------------------------------


def test_freezing_one_of_two_tied_axes_freezes_both_for_the_same_reason(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.unify(x, y, "Add")
    axes.freeze(x, "graph output")
    assert reasons(axes.resolve(y)) == ["graph output"]


def test_a_frozen_axis_freezes_what_is_tied_to_it_later(axes: Axes) -> None:
    x, a, b = axes.dim(6), axes.dim(2), axes.dim(3)
    axes.freeze(x, "graph input")
    assert axes.unify(product(a, b), x, "Reshape")
    assert reasons(axes.resolve(a)) == reasons(axes.resolve(b)) == ["graph input"]


def test_freezing_one_term_leaves_the_others_free(axes: Axes) -> None:
    a, b, consumer = axes.dim(4), axes.dim(6), axes.dim(10)
    axes.unify(consumer, concat(a, b), "Concat")
    axes.freeze(a, "softmax")
    assert axes.resolve(consumer) == concat(Fixed(4), b)
    assert reasons(axes.resolve(consumer)) == ["softmax"]


def test_a_fixed_term_freezes_only_the_part_that_it_meets(axes: Axes) -> None:
    x, y = axes.dim(10), axes.dim(6)
    assert axes.unify(x, concat(Fixed(4, "constant"), y), "Concat")
    assert axes.unify(x, concat(axes.dim(2), axes.dim(8)), "Split")
    assert axes.resolve(x) == concat(Fixed(4), y)


def test_freezing_twice_keeps_the_first_reason(axes: Axes) -> None:
    x = axes.dim(4)
    axes.freeze(x, "first")
    axes.freeze(x, "second")
    assert reasons(axes.resolve(x)) == ["first"]


def test_two_frozen_axes_unify_and_each_keeps_its_reason(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.freeze(x, "softmax")
    axes.freeze(y, "graph output")
    assert axes.unify(x, y, "Add")
    assert reasons(axes.resolve(x)) == ["softmax"]
    assert reasons(axes.resolve(y)) == ["graph output"]


def test_reasons_lists_each_reason_once_and_none_for_single_positions() -> None:
    d = Dim(1, 3)
    expr = concat(Fixed(2, "padding"), d, ONE, product(d, Fixed(2, "padding")), d, Fixed(5, "graph output"))
    assert reasons(expr) == ["padding", "graph output"]
    assert reasons(d) == reasons(Fixed(1, "broadcast")) == reasons(Fixed(3)) == []
    assert reasons(Fixed(0, "nothing is left")) == ["nothing is left"]
    assert reasons(SYMBOLIC) == ["known only at run time"]


def test_merging_fixed_neighbours_never_gives_a_single_position_as_the_reason_for_more(axes: Axes) -> None:
    assert reasons(concat(ONE, Fixed(3, "padding"))) == ["padding"]
    pair = axes.dim(2)
    assert axes.unify(concat(axes.dim(4), axes.dim(4)), product(pair, axes.dim(4)), "Reshape")
    assert ONE.reason not in reasons(axes.resolve(pair))


def test_show_writes_sizes_with_a_mark_on_fixed_parts() -> None:
    d, e = Dim(1, 32), Dim(2, 12)
    assert show(d) == "32"
    assert show(Fixed(7, "reason")) == "7!"
    assert show(SYMBOLIC) == "N!"
    assert show(Fixed(None)) == "?!"
    assert show(product(e, Fixed(4), d)) == "12*4!*32"
    assert show(concat(d, Fixed(3), product(e, d))) == "32+3!+12*32"
    assert show(product(e, concat(d, d))) == "12*(32+32)"


def test_messages_show_both_sides(axes: Axes) -> None:
    x = product(axes.dim(2), axes.dim(3))
    axes.unify(x, product(axes.dim(3), axes.dim(2)), "Add_7")
    assert "2*3" in reasons(axes.resolve(x))[0]
    assert "3*2" in reasons(axes.resolve(x))[0]


# --- The least that stays ---------------------------------------------------------------------------------------------


def test_a_dim_keeps_one_unit_and_two_where_one_would_change_meaning(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.keep_plural(x)
    assert axes.minimum(only_dim(axes, x)) == 2
    assert axes.minimum(only_dim(axes, y)) == 1


@pytest.mark.parametrize("plural_first", [False, True])
def test_what_is_tied_to_a_plural_dim_is_plural(axes: Axes, plural_first: bool) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.keep_plural(x if plural_first else y)
    axes.unify(x, y, "Add")
    assert axes.minimum(only_dim(axes, x)) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_plural_axis_that_is_split_keeps_two_positions_and_no_more(axes: Axes, when: str) -> None:
    forms = [
        product(axes.dim(2), axes.dim(6)),
        product(axes.dim(3), PAIR, axes.dim(2)),
        product(concat(axes.dim(2), axes.dim(2)), axes.dim(3)),
        product(axes.dim(3), concat(axes.dim(2), axes.dim(2))),
        concat(axes.dim(5), axes.dim(7)),
    ]
    for form in forms:
        x = axes.dim(12)
        if when == "before":
            axes.keep_plural(x)
        assert axes.unify(x, form, "Reshape")
        if when == "after":
            axes.keep_plural(x)
        assert least(axes, x) == 2, show(form)


def test_a_plural_axis_that_is_later_split_again_still_keeps_two(axes: Axes) -> None:
    x, outer = axes.dim(24), axes.dim(12)
    axes.keep_plural(x)
    axes.unify(x, product(outer, axes.dim(2)), "Reshape_1")
    axes.unify(outer, product(axes.dim(3), axes.dim(4)), "Reshape_2")
    assert least(axes, x) == 2


def test_a_symbolic_factor_may_be_one_so_it_does_not_make_an_axis_plural(axes: Axes) -> None:
    d = axes.dim(4)
    axes.keep_plural(product(SYMBOLIC, d))
    assert axes.minimum(only_dim(axes, d)) == 2
