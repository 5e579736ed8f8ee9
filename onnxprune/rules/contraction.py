"""Operators that multiply and sum: convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnxprune.axes import ONE, Expr, product
from onnxprune.rules.elementwise import broadcast
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, known_size
from onnxprune.sizes import Size

SPATIAL = "spatial positions cannot be pruned"


@dataclass(frozen=True)
class Operands:
    """Which inputs of a node are multiplied, which is added, and which holds the zero point of the first."""

    left: int = 0
    right: int = 1
    added: int | None = 2
    zero: int | None = None


PLAIN = Operands()


@rule("Conv")
def conv(site: Site) -> None:
    """W is [G*O, I, k..], X is [N, G*I, d..], Y is [N, G*O, d..]; only I is summed over."""
    convolve(site, PLAIN)


def convolve(site: Site, operands: Operands) -> None:
    """Relate the axes of a convolution whose operands are at the given inputs."""
    x, w = site.axes(operands.left), site.axes(operands.right)
    group = site.attribute("group", 1)
    groups, inner, outer = _grouped(site, group, known_size(w[1]), known_size(w[0]) // group)
    site.unify(w[1], inner)
    site.unify(w[0], product(groups, outer))
    site.unify(x[1], product(groups, inner))
    _finish_conv(site, operands, product(groups, outer), inner)


@rule("ConvTranspose")
def conv_transpose(site: Site) -> None:
    """W is [G*I, O, k..], X is [N, G*I, d..], Y is [N, G*O, d..]."""
    x, w = site.axes(0), site.axes(1)
    group = site.attribute("group", 1)
    groups, inner, outer = _grouped(site, group, known_size(w[0]) // group, known_size(w[1]))
    site.unify(w[0], product(groups, inner))
    site.unify(w[1], outer)
    site.unify(x[1], product(groups, inner))
    _finish_conv(site, PLAIN, product(groups, outer), inner)


def _grouped(site: Site, group: int, inner: int, outer: int) -> tuple[Expr, Expr, Expr]:
    return site.dim(group), site.dim(inner), site.dim(outer)


def _finish_conv(site: Site, operands: Operands, channels: Expr, inner: Expr) -> None:
    x, w = site.axes(operands.left), site.axes(operands.right)
    site.freeze((*x[2:], *w[2:]), SPATIAL)
    if operands.added is not None and site.has(operands.added):
        site.unify(site.axes(operands.added)[0], channels)
    if known_size(inner) > 1:
        site.contracts(operands.left, 1, operands.zero)
    group = site.attribute("group", 1)
    if group > 1:
        groups, _ = _factor(site, channels, group)
        site.follow_attribute("group", Size.along(site.resolve(groups)))
    shape = site.shape()
    spatial = (
        site.fixed(SPATIAL)[2:]
        if shape is not None
        else [site.fixed_axis(None, 0, i, SPATIAL) for i in range(2, len(x))]
    )
    site.out([x[0], channels, *spatial])
    # A transposed convolution multiplies once per *input* position.
    positions = x[2:] if site.node.op_type == "ConvTranspose" else spatial
    site.work(x[0], channels, inner, *positions, *w[2:])


def _factor(site: Site, channels: Expr, group: int) -> tuple[Expr, Expr]:
    groups, outer = site.dim(group), site.dim(known_size(channels) // group)
    site.unify(channels, product(groups, outer))
    return groups, outer


@rule("Gemm")
def gemm(site: Site) -> None:
    """Y[m, n] = A[m, k] B[k, n] + C, each of A and B possibly transposed."""
    affine(site, PLAIN)


def affine(site: Site, operands: Operands) -> None:
    """Relate the axes of a Gemm whose operands are at the given inputs."""
    a, b = site.axes(operands.left), site.axes(operands.right)
    k_of_a, k_of_b = (0 if site.attribute("transA", 0) else 1), (1 if site.attribute("transB", 0) else 0)
    rows, columns = a[1 - k_of_a], b[1 - k_of_b]
    site.unify(a[k_of_a], b[k_of_b])
    site.contracts(operands.left, k_of_a, operands.zero)
    out: list[Expr] = [rows, columns]
    if operands.added is not None and site.has(operands.added):
        out = broadcast(site, [(rows, columns), site.axes(operands.added)])
    site.out(out)
    site.work(rows, columns, site.axes(operands.left)[k_of_a])


@rule("MatMul")
def matmul(site: Site) -> None:
    """As numpy.matmul: the last axis of A against the second last of B; leading axes broadcast."""
    multiply(site, PLAIN)


def multiply(
    site: Site, operands: Operands, order_a: Sequence[int] | None = None, order_b: Sequence[int] | None = None
) -> None:
    """Relate the axes of a matrix product whose operands are at the given inputs, read in the given order of axes."""
    x, w = site.axes(operands.left), site.axes(operands.right)
    if not x or not w:
        raise UnknownError("a scalar cannot be multiplied as a matrix")
    order_a, order_b = order_a or range(len(x)), order_b or range(len(w))
    k_of_b = max(len(order_b) - 2, 0)
    site.unify(x[order_a[-1]], w[order_b[k_of_b]])
    site.contracts(operands.left, order_a[-1], operands.zero)
    a = [site.axes(operands.left)[axis] for axis in order_a]
    b = [site.axes(operands.right)[axis] for axis in order_b]
    batch = broadcast(site, [a[:-2], b[:-2]])
    rows, columns = a[-2:-1], b[k_of_b + 1 :]
    site.out([*batch, *rows, *columns])
    site.work(*(axis for axis in (*batch, *rows, *columns) if axis != ONE), a[-1])


@rule("Einsum")
def einsum(site: Site) -> None:
    """Each letter is an axis, an ellipsis broadcasts; letters that the result lacks are summed over."""
    operands, result = _equation(site)
    letters: dict[str, Expr] = {}
    rest: list[list[Expr]] = []
    for slot, term in enumerate(operands):
        before, after, inner = _around_ellipsis(term, site.axes(slot))
        for letter, axis in zip(before + after, _outside(site.axes(slot), len(before), len(after)), strict=True):
            _meet(site, letters, letter, axis, repeated=(before + after).count(letter) > 1)
        rest.append(inner)
    broadcasted = broadcast(site, rest) if any(rest) else []
    for slot, term in enumerate(operands):
        for place, letter in _places(term, len(site.axes(slot))):
            if letter not in result:
                site.contracts(slot, place)
    axes = {letter: [site.resolve(axis)] for letter, axis in letters.items()} | {".": broadcasted}
    site.out([axis for letter in result for axis in axes[letter]])
    _note_pairs(site, operands, axes, result)


def _equation(site: Site) -> tuple[list[str], str]:
    """Return the terms of the operands and of the result; without an arrow: letters seen once, in order."""
    equation = site.attribute("equation").decode().replace(" ", "").replace("...", ".")
    left, arrow, right = equation.partition("->")
    if not arrow:
        once = sorted(letter for letter in set(left) if letter.isalpha() and left.count(letter) == 1)
        right = ("." if "." in left else "") + "".join(once)
    return left.split(","), right


def _around_ellipsis(term: str, axes: Sequence[Expr]) -> tuple[str, str, list[Expr]]:
    before, _, after = term.partition(".")
    return before, after, list(axes[len(before) : len(axes) - len(after)])


def _outside(axes: Sequence[Expr], before: int, after: int) -> list[Expr]:
    return [*axes[:before], *axes[len(axes) - after :]]


def _places(term: str, rank: int) -> list[tuple[int, str]]:
    """Return each letter of an operand and the axis that it stands for."""
    before, _, after = term.partition(".")
    return [*enumerate(before), *enumerate(after, rank - len(after))]


def _meet(site: Site, letters: dict[str, Expr], letter: str, axis: Expr, repeated: bool) -> None:
    """Unify an axis with the others of its letter; one of size 1 may be broadcast."""
    if repeated:
        site.freeze(axis, "it takes a diagonal")
    known = letters.get(letter)
    letters[letter] = axis if known is None else broadcast(site, [[known], [axis]])[0]


def _note_pairs(site: Site, operands: Sequence[str], axes: Mapping[str, Sequence[Expr]], result: str) -> None:
    """Note the work of multiplying the operands from the left, one after the other.

    Each product runs over every letter of both sides; letters that nobody needs any more are summed over at once.
    """
    left = operands[0]
    for place, right in enumerate(operands[1:], 2):
        letters = dict.fromkeys(left + right)
        site.work(*(axis for letter in letters for axis in axes[letter] if axis != ONE))
        needed = "".join((*operands[place:], result))
        left = "".join(letter for letter in letters if letter in needed)
