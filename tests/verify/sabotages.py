"""Mistakes that a pruner could make, each with a graph on which it matters, and what is broken to make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from graphs import Graph
from networks import branchy, plain
from quantized_graphs import QuantizedGraph
from sabotage import Fault, forgotten, inner_and_outer_swapped, left_whole, mask_rolled, one_less, one_more

from onnxprune.apply import constants, numbers
from onnxprune.apply.draft import Draft
from onnxprune.axes import concat, size
from onnxprune.rules import RULES, Site
from onnxprune.verify import twin

Build = Callable[[], onnx.ModelProto]


@dataclass(frozen=True)
class Sabotage:
    """A graph, and what is broken: a method, or the rule of an operator."""

    build: Build
    fault: Fault


SABOTAGES: dict[str, Sabotage] = {}


def sabotage(name: str, build: Build, owner: Any, method: str, instead: Callable[..., Any]) -> None:
    """Put one into the table."""
    SABOTAGES[name] = Sabotage(build, Fault(owner, method, instead))


def wrong_rule(name: str, build: Build, op_type: str) -> Callable[[Callable[[Site], None]], None]:
    """Put a wrong rule of an operator into the table."""

    def register(rule: Callable[[Site], None]) -> None:
        SABOTAGES[name] = Sabotage(build, Fault(RULES, ("", op_type), lambda _, site: rule(site)))

    return register


def at(op_type: str, instead: Callable[..., Any]) -> Callable[..., Any]:
    """Break a method of a site for the nodes of one operator alone."""

    def called(real: Callable, site: Site, *args: Any, **kwargs: Any) -> Any:
        is_broken = site.node.op_type == op_type
        return instead(real, site, *args, **kwargs) if is_broken else real(site, *args, **kwargs)

    return called


def of(attribute: str, value: Any) -> Callable[..., Any]:
    """Read an attribute as something else."""
    return lambda real, site, name, default=None: value if name == attribute else real(site, name, default)


# Graphs


def built(build: Callable[[Graph], None], opset: int = 17) -> Build:
    """A function that makes the model of a graph."""

    def model() -> onnx.ModelProto:
        graph = QuantizedGraph(opset)
        build(graph)
        return graph.model()

    return model


def two_branches(g: Graph) -> None:
    x = g.image()
    g.finish(g.add("Add", g.conv(x, 8), g.conv(x, 8)))


def square_layers(g: Graph) -> None:
    x = g.linear(g.input(4, 3), 8)
    g.output(g.linear(g.add("Relu", g.gemm(x, 8)), 2))


def tokens_turned_around(g: Graph) -> None:
    x = g.transpose(g.linear(g.linear(g.input(2, 6, 4), 5), 6), 0, 2, 1)
    g.output(g.linear(x, 2))


def joined(g: Graph) -> None:
    x = g.image()
    g.finish(g.add("Concat", g.conv(x, 6), g.conv(x, 6), axis=1))


def cut_in_halves(g: Graph) -> None:
    left, right = g.split(g.conv(g.image(), 12), 6, 6)
    g.finish(g.add("Concat", right, g.add("Relu", left), axis=1))


def cut_by_slices(g: Graph) -> None:
    x = g.conv(g.image(), 12)
    g.finish(g.add("Add", g.slice(x, 2, 7), g.slice(x, 7, 12)))


def picked(g: Graph) -> None:
    g.finish(g.add("Gather", g.conv(g.image(), 10), g.ints(5, 6, 7, 8, 9, 0, 1, 2), axis=1))


def flattened(g: Graph) -> None:
    x = g.reshape(g.conv(g.image(3, 4), 8), 2, 128)
    g.output(g.gemm(x, 2))


def normalized(g: Graph) -> None:
    g.finish(g.add("Relu", g.batch_norm(g.conv(g.image(), 8))))


def shared_vector(g: Graph) -> None:
    scale = g.weight(8, 1, 1)
    x = g.add("Mul", g.conv(g.image(), 8), scale)
    g.finish(g.add("Mul", g.conv(x, 8), scale))


def depthwise(g: Graph) -> None:
    g.finish(g.conv(g.conv(g.image(), 8), 8, kernel=3, group=8))


def softmax_of_channels(g: Graph) -> None:
    g.finish(g.add("Softmax", g.conv(g.conv(g.image(), 6), 8), axis=1))


def heads_in_one_node(g: QuantizedGraph) -> None:
    x = g.input(2, 5, 4)
    y = g.contrib("MultiHeadAttention", *(g.linear(x, 24) for _ in range(3)), num_heads=4)
    g.output(g.linear(g.declare(y, np.float32, 2, 5, 24), 2))


def scores_scaled_by_a_computed_width(g: Graph) -> None:
    x = g.input(2, 5, 4)
    q, k, v = g.linear(x, 8), g.linear(x, 8), g.linear(x, 6)
    width = g.add("Cast", g.add("Slice", g.add("Shape", q), g.ints(-1), g.ints(2**31 - 1)), to=1)
    scores = g.add("Div", g.add("MatMul", q, g.transpose(k, 0, 2, 1)), g.add("Sqrt", width))
    g.output(g.linear(g.add("MatMul", g.add("Softmax", scores), v), 2))


def integers(g: QuantizedGraph) -> None:
    x = g.input(5, 3)
    for given, columns in ((3, 8), (8, 2)):
        y, scale, zero = g.nodes_of("DynamicQuantizeLinear", [x], 3)
        weight, weight_scale, weight_zero = g.integers(given, columns, axis=1, fan_in=given)
        product = g.add("Cast", g.add("MatMulInteger", y, weight, zero, weight_zero), to=1)
        x = g.add("Mul", product, g.add("Mul", scale, weight_scale))
    g.output(x)


# Rules


@wrong_rule("a sum forgets its second branch", built(two_branches), "Add")
def _(site: Site) -> None:
    site.axes(1)
    site.out(site.axes(0))


@wrong_rule("a joining loses an operand", built(joined), "Concat")
def _(site: Site) -> None:
    first, second = site.axes(0), site.axes(1)
    site.out([first[0], concat(first[1], site.dim(size(second[1]) or 0)), *first[2:]])


@wrong_rule("the parts of a split are given in another order", built(cut_in_halves), "Split")
def _(site: Site) -> None:
    x = site.axes(0)
    site.ignore_content(1)
    site.axes(1)
    parts = [site.dim(6), site.dim(6)]
    site.unify(x[1], concat(*parts))
    for index, part in enumerate(reversed(parts)):
        site.out([x[0], site.resolve(part), *x[2:]], index)


@wrong_rule("statistics over an axis do not freeze it", built(softmax_of_channels), "Softmax")
def _(site: Site) -> None:
    site.out(site.axes(0))


@wrong_rule("indices are read in another order", built(picked), "Gather")
def _(site: Site) -> None:
    x = site.axes(0)
    site.axes(1)
    parts = [site.dim(3), site.dim(2), site.dim(5)]
    site.unify(x[1], concat(*parts))
    wrong = concat(site.resolve(parts[0]), site.resolve(parts[2]))
    site.indexes(1, [wrong], x[1])
    site.out([x[0], wrong, *x[2:]])


sabotage("transposed weights are not seen", built(square_layers), Site, "attribute", at("Gemm", of("transB", 0)))
sabotage("a transposition is taken for another", built(tokens_turned_around), Site, "attribute", of("perm", [0, 1, 2]))
sabotage("groups are not followed", built(depthwise), Site, "follow_attribute", forgotten)
sabotage("a depthwise layer is taken for a dense one", built(depthwise), Site, "attribute", at("Conv", of("group", 1)))
sabotage("a reshape from the inside out", built(flattened), Site, "out", at("Reshape", inner_and_outer_swapped))
sabotage("norms have units of their own", built(normalized), Site, "unify", at("BatchNormalization", forgotten))
sabotage("biases have units of their own", plain, Site, "unify", at("Gemm", forgotten))
sabotage(
    "the width that scores are divided by shrinks",
    built(scores_scaled_by_a_computed_width),
    Site,
    "bake_input",
    lambda real, site, slot: site.ignore_content(slot),
)
sabotage("what is summed over is not said", branchy, Site, "contracts", forgotten)
sabotage("nothing is frozen at softmax", built(softmax_of_channels), Site, "freeze", at("Softmax", forgotten))


# Slicing


def only(rank: int, change: Callable[[Any], Any], kind: str = "f") -> Callable[..., Any]:
    """Change what was sliced of the stored tensors of one rank and kind alone."""

    def called(real: Callable, *args: Any) -> Any:
        values = real(*args)
        return change(values) if values.ndim == rank and values.dtype.kind == kind else values

    return called


def first_instead_of_kept(real: Callable, expr: Any, orders: Any) -> Any:
    return np.arange(len(real(expr, orders)))


def once(instead: Callable[..., Any]) -> Callable[..., Any]:
    """Do something else at the first call of a run alone."""
    before: list[int] = []

    def called(real: Callable, *args: Any) -> Any:
        before.append(1)
        return instead(real, *args) if len(before) == 1 else real(*args)

    return called


def complement(real: Callable, expr: Any, orders: Any) -> Any:
    kept = real(expr, orders)
    others = np.setdiff1d(np.arange(size(expr) or 0), kept)
    return np.resize(others, len(kept)) if len(others) else kept


SLICED = (constants, "_changed")
PLACES = (constants, "places")

sabotage("the removed units stay and the kept ones go", built(flattened), *PLACES, complement)
sabotage("the first units stay instead of the kept ones", built(flattened), *PLACES, once(first_instead_of_kept))
sabotage("one weight stays whole", plain, *PLACES, once(left_whole))
sabotage("one mask is rolled by one", plain, *PLACES, once(mask_rolled))
sabotage("kernels are rolled by an output", branchy, *SLICED, only(4, lambda w: np.roll(w, 1, 0)))
sabotage("kernels are rolled by an input", branchy, *SLICED, only(4, lambda w: np.roll(w, 1, 1)))
sabotage("vectors are rolled by one", plain, *SLICED, only(1, lambda b: np.roll(b, 1)))
sabotage("matrices are read backwards", plain, *SLICED, only(2, lambda w: w[:, ::-1]))
sabotage(
    "some values are wrong by a tenth",
    plain,
    *SLICED,
    only(2, lambda w: w + np.float32(0.1) * np.eye(*w.shape, dtype=w.dtype)),
)
sabotage("zero points are rolled by one", built(integers), *SLICED, only(1, lambda z: np.roll(z, 1), "i"))
sabotage("copies of a shared constant are lost", built(shared_vector), constants, "_rewire", forgotten)
sabotage("indices are not numbered anew", built(picked), constants, "_new_numbers", lambda _, expr, __: np.arange(10))
for _what, _build in {
    "the target of a reshape": built(flattened),
    "the sizes of a split": built(cut_in_halves),
    "the bounds of slices": built(cut_by_slices),
    "the number of groups": built(depthwise),
    "the number of heads": built(heads_in_one_node),
}.items():
    sabotage(f"{_what} is one too large", _build, Draft, "new_size", one_more)
    sabotage(f"{_what} is one too small", _build, Draft, "new_size", one_less)
sabotage("the number of heads is not written", built(heads_in_one_node), numbers, "_set_attribute", forgotten)


# The check itself


sabotage("the twin masks nothing", branchy, twin._Builder, "mask", forgotten)
sabotage("the twin forgets a mask", branchy, twin._Builder, "mask", once(forgotten))
sabotage("the twin masks other units", branchy, twin, "keep", lambda real, *args: np.roll(real(*args), 1))
