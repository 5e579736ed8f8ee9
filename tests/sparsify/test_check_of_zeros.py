"""The check of zeros: what is as claimed passes, and whatever is not is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Array, branchy, plain, traced
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from proof import needs_onnxruntime_to_run
from quantized_graphs import QuantizedGraph

from onnxprune.apply.values import refilled
from onnxprune.errors import UsageError, VerificationError
from onnxprune.granularity import ELEMENTS
from onnxprune.model import ConstantKey, Model
from onnxprune.multiplied import multiplied
from onnxprune.options import Options
from onnxprune.runtime import run
from onnxprune.sparsify.check import Claim, SparsityCheck, check_sparsity, zeros_of
from onnxprune.sparsify.weights import find_weights

Change = Callable[[Array], Array]


def patterned(values: Array, axis: int, n: int = 2, m: int = 4, zero: Any = 0) -> Array:
    """Return values of which the first m - n of every m along an axis are `zero`, which fits onto them."""
    place = np.arange(values.shape[axis]) % m
    goes = (place < m - n).reshape([-1 if each == axis else 1 for each in range(values.ndim)])
    return np.where(goes, np.asarray(zero, values.dtype), values)


def with_weight(proto: onnx.ModelProto, key: ConstantKey, change: Change) -> Model:
    """Return a copy of a model with one of its constants changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    model = Model(copy)
    tensor = model.constants[key]
    tensor.CopyFrom(refilled(tensor, change(model.array(tensor))))
    return Model(copy)


def check(proto: onnx.ModelProto, change: Change, granularity: str = "2:4", **claim: Any) -> SparsityCheck:
    """Change the only weight of a model and check what is claimed of it: by default, that half of it is zero."""
    ((key, (_, size)),) = zeros_of(Model(proto)).items()
    claim.setdefault("pruned", {key: size // 2})
    return check_sparsity(Model(proto), with_weight(proto, key, change), Claim(granularity, **claim))


def conv(g: Graph) -> str:
    return g.add("Conv", g.image(8), g.weight(12, 8, 3, 3))


def grouped(g: Graph) -> str:
    return g.add("Conv", g.image(8), g.weight(12, 4, 3, 3), group=2)


def transposed_conv(g: Graph) -> str:
    return g.add("ConvTranspose", g.image(8), g.weight(8, 12, 3, 3))


def gemm(g: Graph) -> str:
    return g.add("Gemm", g.input(2, 8), g.weight(8, 12))


def gemm_turned(g: Graph) -> str:
    return g.add("Gemm", g.input(2, 8), g.weight(12, 8), transB=1)


def gemm_from_the_left(g: Graph) -> str:
    return g.add("Gemm", g.weight(8, 12), g.input(8, 2), transA=1)


def matmul(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.weight(8, 12))


def matmul_from_the_left(g: Graph) -> str:
    return g.add("MatMul", g.weight(12, 8), g.input(8, 2))


def stacked(g: Graph) -> str:
    return g.add("MatMul", g.input(4, 2, 8), g.weight(4, 8, 12))


def vector(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.weight(8))


def behind_a_transpose(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.transpose(g.weight(12, 8), 1, 0))


def behind_a_cast(g: Graph) -> str:
    weight = g.store(g.random(8, 12).astype(np.float16))
    return g.add("MatMul", g.input(2, 8), g.add("Identity", g.add("Cast", weight, to=TensorProto.FLOAT)))


def in_a_constant(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.constant(g.random(8, 12)))


def recurrent(g: Graph) -> str:
    return g.nodes_of("RNN", [g.input(5, 2, 8), g.weight(1, 12, 8), g.add("Identity", g.input(1, 12, 12))], 1)[0]


def in_a_body(g: Graph) -> str:
    """The weight of the main graph is multiplied inside both branches."""
    x, w = g.input(2, 8), g.weight(8, 12)
    body = helper.make_graph(
        [helper.make_node("MatMul", [x, w], ["inner"])], "b", [], [helper.make_tensor_value_info("inner", 1, [2, 12])]
    )
    return g.add("If", g.input(dtype=TensorProto.BOOL), then_branch=body, else_branch=body)


def dequantized(g: QuantizedGraph) -> str:
    return g.add("Conv", g.image(8), g.dequantized(12, 8, 3, 3, axis=0))


def dequantized_and_turned(g: QuantizedGraph) -> str:
    turned = g.transpose(g.store(np.arange(96).reshape(12, 8) - 48, np.int8), 1, 0)
    zero = g.store(np.arange(12), np.int8)
    return g.add("MatMul", g.input(2, 8), g.add("DequantizeLinear", turned, g.positive(12), zero, axis=1))


def dequantized_by_columns(g: QuantizedGraph) -> str:
    """By columns, as the axis of a DequantizeLinear is 1 unless it says otherwise."""
    return g.add("MatMul", g.input(2, 8), g.add("DequantizeLinear", *g.integers(8, 12, axis=1)))


def dequantized_stack(g: QuantizedGraph) -> str:
    """Stored as [inputs, outputs, stack], with a zero point for each output."""
    turned = g.transpose(g.store(np.arange(384).reshape(8, 12, 4) % 120, np.int8), 2, 0, 1)
    zero = g.store(np.arange(12), np.int8)
    return g.add("MatMul", g.input(4, 2, 8), g.add("DequantizeLinear", turned, g.positive(12), zero, axis=2))


def dequantized_in_blocks(g: QuantizedGraph) -> str:
    weight = g.store(np.arange(96).reshape(8, 12) - 48, np.int8)
    scale, zero = g.positive(2, 12), g.store(np.arange(24).reshape(2, 12), np.int8)
    g.opset = g.domains[""] = 21
    return g.add("MatMul", g.input(2, 8), g.add("DequantizeLinear", weight, scale, zero, axis=0, block_size=4))


def integer_conv(g: QuantizedGraph) -> str:
    weight, _, zero = g.integers(12, 8, 3, 3)
    return g.add("ConvInteger", g.input(2, 8, 6, 6, dtype=TensorProto.UINT8), weight, g.store(120, np.uint8), zero)


def integer_matmul(g: QuantizedGraph) -> str:
    weight, _, zero = g.integers(8, 12, axis=1)
    return g.add("MatMulInteger", g.input(2, 8, dtype=TensorProto.UINT8), weight, g.store(120, np.uint8), zero)


def quantized_conv(g: QuantizedGraph) -> str:
    weight, scale, zero = g.integers(12, 8, 3, 3, axis=0)
    return g.add("QLinearConv", g.quantize(g.image(8)), *g.unit(), weight, scale, zero, *g.unit())


def quantized_matmul(g: QuantizedGraph) -> str:
    weight, scale, zero = g.integers(8, 12, axis=1)
    return g.add("QLinearMatMul", g.quantize(g.input(2, 8)), *g.unit(), weight, scale, zero, *g.unit())


AXES: dict[Callable[[Any], str], tuple[int, int | None]] = {
    conv: (1, 0),
    grouped: (1, 0),
    transposed_conv: (0, 1),
    gemm: (0, 1),
    gemm_turned: (1, 0),
    gemm_from_the_left: (0, 1),
    matmul: (0, 1),
    matmul_from_the_left: (1, 0),
    stacked: (1, 0),
    vector: (0, None),
    behind_a_transpose: (1, 0),
    behind_a_cast: (0, 1),
    in_a_constant: (0, 1),
    recurrent: (2, 1),
    in_a_body: (0, 1),
    dequantized: (1, 0),
    dequantized_and_turned: (1, 0),
    dequantized_by_columns: (0, 1),
    dequantized_stack: (0, 1),
    dequantized_in_blocks: (0, 1),
    integer_conv: (1, 0),
    integer_matmul: (0, 1),
    quantized_conv: (1, 0),
    quantized_matmul: (0, 1),
}
"""The axis of input channels of the only weight of each graph, and another axis that divides by 4."""


def made(make: Callable[[Any], str]) -> onnx.ModelProto:
    g = QuantizedGraph(opset=21) if make is dequantized_in_blocks else QuantizedGraph()
    g.output(make(g))
    return g.model()


def stored_zero(proto: onnx.ModelProto) -> Array:
    """The number that means zero in the only weight of a model, in every place of it."""
    ((key, (use, *_)),) = multiplied(Model(proto)).items()
    assert use.zero is not None
    return np.broadcast_to(use.zero, tuple(Model(proto).constants[key].dims))


@pytest.mark.parametrize("make", AXES, ids=lambda make: make.__name__)
def test_a_pattern_is_seen_along_the_input_channels_alone(make: Callable[[Any], str]) -> None:
    proto, (inputs, other) = made(make), AXES[make]
    zero = stored_zero(proto)

    def along(axis: int) -> Change:
        return lambda values: patterned(values, axis, zero=zero)

    found = check(proto, along(inputs))
    assert (found.weights, found.verdict) == (1, "proved")
    assert found.zeros >= found.elements / 2
    if other is not None:
        with pytest.raises(VerificationError, match="more than 2 of 4 numbers are not zero"):
            check(proto, along(other))


QUANTIZED = [make for make in AXES if "quantized" in make.__name__ or "integer" in make.__name__]


@pytest.mark.parametrize("make", QUANTIZED, ids=lambda make: make.__name__)
def test_what_is_taken_for_zero_adds_nothing_to_a_product(make: Callable[[Any], str]) -> None:
    proto = made(make)
    needs_onnxruntime_to_run(proto)
    ((key, _),) = multiplied(Model(proto)).items()
    nothing = with_weight(proto, key, lambda values: stored_zero(proto).astype(values.dtype))
    given = proto.graph.input[0]
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
    outputs = [run(nothing, {given.name: np.full(shape, value, dtype)}, optimize=False)[0] for value in (0, 1, 7)]
    assert np.unique(outputs).size == 1


@pytest.mark.parametrize("make", [dequantized, integer_matmul], ids=lambda make: make.__name__)
def test_zeros_that_are_not_the_zero_point_do_not_count(make: Callable[[Any], str]) -> None:
    with pytest.raises(VerificationError, match="not zero"):
        check(made(make), lambda values: patterned(values, AXES[make][0]))


def test_a_zero_point_that_is_computed_tells_nothing() -> None:
    g = QuantizedGraph()
    weight, scale, _ = g.integers(8, 12)
    g.output(g.add("MatMul", g.input(2, 8), g.add("DequantizeLinear", weight, scale, g.input(dtype=TensorProto.INT8))))
    proto = g.model()
    assert not zeros_of(Model(proto))
    with pytest.raises(VerificationError, match=f"tensor '{weight}': which of its numbers mean zero is not stored"):
        check_sparsity(Model(proto), Model(proto), Claim("element", {("", weight): 1}))


def test_float_weights_that_are_quantized_in_the_graph_are_zero_at_zero() -> None:
    g = QuantizedGraph()
    g.output(g.add("MatMul", g.input(2, 8), g.rounded(g.weight(8, 12))))
    assert check(g.model(), lambda values: patterned(values, 0)).zeros == 48


@pytest.mark.parametrize(("n", "m"), [(1, 2), (1, 4), (2, 4), (4, 8), (7, 8)])
def test_any_pattern_can_be_claimed(n: int, m: int) -> None:
    claim = {"granularity": f"{n}:{m}", "pruned": {("", "stored_2"): 96 * (m - n) // m}}
    assert check(made(matmul), lambda values: patterned(values, 0, n, m), **claim).weights == 1
    with pytest.raises(VerificationError, match=rf"more than {n} of {m} numbers are not zero"):
        check(made(matmul), lambda values: patterned(values, 0, n + 1, m) if n + 1 < m else values, **claim)


def test_a_pattern_may_have_more_zeros_than_it_needs() -> None:
    assert check(made(conv), np.zeros_like).zeros == 12 * 8 * 9


def test_one_number_too_many_is_found_and_its_place_named() -> None:
    def change(values: Array) -> Array:
        values = patterned(values, 1)
        values[7, 5, 2, 1] = 3
        return values

    with pytest.raises(VerificationError, match=r"tensor 'stored_2': at \[7, 4:8, 2, 1\] more than 2 of 4"):
        check(made(conv), change, recovered={"stored_2"})


def test_channels_that_do_not_divide_by_the_pattern_have_none() -> None:
    g = Graph()
    g.output(g.add("MatMul", g.input(2, 6), g.weight(6, 12)))
    with pytest.raises(VerificationError, match="axis 0 is not a multiple of 4"):
        check(g.model(), lambda values: values * 0)


def test_a_pattern_has_no_axis_behind_a_reshape() -> None:
    g = Graph()
    g.output(g.add("MatMul", g.input(2, 8), g.reshape(g.weight(96), 8, 12)))
    proto = g.model()
    with pytest.raises(VerificationError, match="its input channels are not along one axis"):
        check(proto, lambda values: patterned(values, 0))
    assert check(proto, lambda values: patterned(values, 0), "element").zeros == 48


def test_every_product_has_to_see_the_pattern() -> None:
    g = Graph()
    w = g.weight(8, 8)
    g.output(g.add("MatMul", g.input(2, 8), w), g.add("Gemm", g.input(2, 8), w, transB=1))
    for axis in (0, 1):
        with pytest.raises(VerificationError, match="more than 2 of 4"):
            check(g.model(), lambda values, axis=axis: patterned(values, axis))
    assert check(g.model(), lambda values: patterned(patterned(values, 0), 1)).weights == 1


def block(values: Array, rows: slice, columns: slice) -> Array:
    values = np.array(values)
    values[rows, columns] = 0
    return values


BLOCKED: list[tuple[Callable[[Graph], str], str, slice, slice]] = [
    (conv, "block:4x2", slice(4, 8), slice(2, 4)),
    (gemm, "block:4x2", slice(2, 4), slice(4, 8)),
    (gemm_turned, "block:4x2", slice(4, 8), slice(2, 4)),
    (matmul, "block:1x4", slice(4, 8), slice(7, 8)),
    (matmul, "block:4x1", slice(7, 8), slice(4, 8)),
    (transposed_conv, "block:4x2", slice(2, 4), slice(4, 8)),
]


@pytest.mark.parametrize(("make", "granularity", "rows", "columns"), BLOCKED)
def test_blocks_are_outputs_times_input_channels(
    make: Callable[[Graph], str], granularity: str, rows: slice, columns: slice
) -> None:
    proto = made(make)
    ((key, (_, size)),) = zeros_of(Model(proto)).items()
    zeros = size // 96 * (rows.stop - rows.start) * (columns.stop - columns.start)
    claim = {"granularity": granularity, "pruned": {key: zeros}}
    assert check(proto, lambda values: block(values, rows, columns), **claim).zeros == zeros
    moved = slice(rows.start - 1, rows.stop - 1), slice(columns.start - 1, columns.stop - 1)
    with pytest.raises(VerificationError, match="some numbers became zero and others of the same block did not"):
        check(proto, lambda values: block(values, *moved), **claim)
    with pytest.raises(VerificationError, match=f"it has 0 zeros of the {zeros} that were promised"):
        check(proto, lambda values: block(values, *moved), recovered={key[1]}, **claim)


def test_zeros_that_were_there_before_may_lie_outside_of_blocks() -> None:
    proto = made(matmul)
    sparse = with_weight(proto, ("", "stored_2"), lambda values: block(values, slice(5, 6), slice(3, 4)))
    claim = {"granularity": "block:1x4", "pruned": {("", "stored_2"): 4}}
    assert check(sparse.proto, lambda values: block(values, slice(0, 4), slice(0, 1)), **claim).zeros == 5


def test_fewer_zeros_than_promised_are_an_error() -> None:
    for promised, change in ((48, lambda values: patterned(values, 0)), (1, lambda values: values + 1)):
        claim: dict[str, Any] = {"granularity": "element", "recovered": {"stored_2"}}
        if promised == 48:
            check(made(matmul), change, pruned={("", "stored_2"): promised}, **claim)
        with pytest.raises(VerificationError, match=f"zeros of the {promised + 1} that were promised"):
            check(made(matmul), change, pruned={("", "stored_2"): promised + 1}, **claim)


def nudged(values: Array) -> Array:
    values = patterned(values, 0)
    values[3, 3] = np.nextafter(values[3, 3], 9, dtype=values.dtype)
    return values


def test_other_values_may_change_in_recovered_weights_alone() -> None:
    with pytest.raises(VerificationError, match="numbers of it that are not zero changed"):
        check(made(matmul), nudged)
    found = check(made(matmul), nudged, recovered={"stored_2"})
    assert (found.weights, found.zeros) == (1, 48)


def network() -> onnx.ModelProto:
    """Two layers with everything that a file can have beside them."""
    proto = plain()
    proto.graph.initializer.append(numpy_helper.from_array(np.array([np.nan, -0.0], np.float32), "odd"))
    proto.graph.initializer.append(helper.make_tensor("text", TensorProto.STRING, [1], [b"label"]))
    proto.graph.doc_string = "what it is for"
    helper.set_model_props(proto, {"names": "cat, dog"})
    return proto


ZEROS = {("", "conv2.weight"): 48}


def pruned_network() -> onnx.ModelProto:
    return with_weight(network(), ("", "conv2.weight"), lambda values: patterned(values, 1)).proto


def stored(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in proto.graph.initializer if tensor.name == name)


def test_each_tensor_is_counted_once() -> None:
    found = check_sparsity(Model(network()), Model(pruned_network()), Claim("2:4", ZEROS, recovered={"conv2.bias"}))
    assert found.as_dict() == {
        "granularity": "2:4",
        "weights": 1,
        "elements": 96,
        "zeros": 48,
        "recovered": 1,
        "added": 0,
        "unchanged": len(network().graph.initializer) - 2,
        "verdict": "proved",
    }


def test_a_claim_of_nothing_proves_that_nothing_changed() -> None:
    assert check_sparsity(Model(network()), Model(network()), Claim("element", {})).verdict == "unchanged"
    with pytest.raises(VerificationError, match="its values changed, and it was neither pruned nor recovered"):
        check_sparsity(Model(network()), Model(pruned_network()), Claim("element", {("", "conv2.weight"): 0}))


def set_values(name: str, values: Any) -> Callable[[onnx.ModelProto], None]:
    return lambda proto: stored(proto, name).CopyFrom(numpy_helper.from_array(np.array(values, np.float32), name))


def set_field(part: Callable[[onnx.ModelProto], Any], field: str, value: Any) -> Callable[[onnx.ModelProto], None]:
    return lambda proto: setattr(part(proto), field, value)


def swap_inputs(proto: onnx.ModelProto) -> None:
    node = proto.graph.node[0]
    node.input[1], node.input[2] = node.input[2], node.input[1]


DAMAGE: dict[str, tuple[Callable[[onnx.ModelProto], Any], str]] = {
    "other values": (set_values("conv2.bias", np.ones(12)), "tensor 'conv2.bias': its values changed"),
    "-0 as 0": (set_values("odd", [np.nan, 0]), "tensor 'odd': its values changed"),
    "other text": (lambda p: stored(p, "text").string_data.__setitem__(0, b"x"), "tensor 'text': its values changed"),
    "other shape": (set_values("conv2.bias", np.ones((12, 1))), "tensor 'conv2.bias': its dims"),
    "other type": (
        set_field(lambda p: stored(p, "odd"), "data_type", TensorProto.INT32),
        "tensor 'odd': its data_type",
    ),
    "note of a tensor": (set_field(lambda p: stored(p, "odd"), "doc_string", "x"), "tensor 'odd': its doc_string"),
    "tensor more": (lambda p: p.graph.initializer.add(name="x"), "the graph: its list of stored"),
    "tensor less": (lambda p: p.graph.initializer.pop(), "the graph: its list of stored tensors"),
    "order of tensors": (lambda p: p.graph.initializer.reverse(), "the graph: its list of stored tensors"),
    "node less": (lambda p: p.graph.node.pop(), "the graph: its number of nodes"),
    "order of nodes": (lambda p: p.graph.node.reverse(), "node 'conv1': its"),
    "operator": (set_field(lambda p: p.graph.node[2], "op_type", "Tanh"), "its op_type changed"),
    "inputs of a node": (swap_inputs, "node 'conv1': its inputs"),
    "input more": (lambda p: p.graph.node[2].input.append("odd"), "its inputs"),
    "input less": (lambda p: p.graph.node[0].input.pop(), "node 'conv1': its inputs"),
    "attribute": (lambda p: p.graph.node[0].attribute[0].ints.append(1), "of node 'conv1': its"),
    "attribute less": (lambda p: p.graph.node[0].attribute.pop(), "node 'conv1': its attributes"),
    "input of the graph": (lambda p: p.graph.input[0].type.tensor_type.shape.dim.pop(), "the graph: its inputs"),
    "output of the graph": (lambda p: p.graph.output.pop(), "the graph: its output"),
    "note of the graph": (set_field(lambda p: p.graph, "doc_string", "x"), "the graph: its doc_string"),
    "metadata": (lambda p: p.metadata_props.pop(), "the model: its metadata_props"),
    "operator versions": (set_field(lambda p: p.opset_import[0], "version", 16), "the model: its opset_import"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_anything_else_that_changes_is_named(what: str) -> None:
    damage, message = DAMAGE[what]
    proto = pruned_network()
    damage(proto)
    with pytest.raises(VerificationError, match=message):
        check_sparsity(Model(network()), Model(proto), Claim("2:4", ZEROS))


def test_biases_that_the_repair_added_are_no_damage() -> None:
    g = Graph()
    g.output(g.add("Conv", g.image(8), g.weight(12, 8, 1, 1)))
    dense = g.model()
    proto = with_weight(dense, ("", "stored_2"), lambda values: patterned(values, 1)).proto
    proto.graph.initializer.append(numpy_helper.from_array(np.ones(12, np.float32), "bias"))
    proto.graph.node[0].input.append("bias")
    claim = Claim("2:4", {("", "stored_2"): 48}, added={"bias"})
    assert check_sparsity(Model(dense), Model(proto), claim).added == 1
    with pytest.raises(VerificationError, match="stored tensors"):
        check_sparsity(Model(dense), Model(proto), Claim("2:4", claim.pruned))


def test_bodies_are_checked_like_the_graph_that_holds_them() -> None:
    dense = made(in_a_body)
    proto = with_weight(dense, ("", "stored_2"), lambda values: patterned(values, 0)).proto
    body = next(item for item in proto.graph.node[0].attribute if item.name == "then_branch").g
    body.node[0].op_type = "Add"
    with pytest.raises(VerificationError, match="its op_type changed"):
        check_sparsity(Model(dense), Model(proto), Claim("2:4", {("", "stored_2"): 48}))


def test_zeros_in_what_is_no_weight_are_refused() -> None:
    for name, reason in (("conv2.bias", "no node multiplies with it"), ("absent", "no such tensor")):
        with pytest.raises(VerificationError, match=f"tensor '{name}': zeros were promised in it, and .*{reason}"):
            check_sparsity(Model(network()), Model(network()), Claim("element", {("", name): 1}))


@pytest.mark.parametrize("text", ["channel", "2:4:8", "0:4", "block:4", "block:0x4", ""])
def test_what_is_no_granularity_of_zeros_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="only element, N:M and block:RxC"):
        check_sparsity(Model(network()), Model(network()), Claim(text, {}))


@pytest.mark.parametrize("make", [plain, branchy], ids=lambda make: make.__name__)
def test_both_ways_to_find_weights_find_the_same(make: Callable[[], onnx.ModelProto]) -> None:
    found = find_weights(traced(make()), ELEMENTS, Options(granularity="element")).found
    backwards = multiplied(Model(make()))
    assert {weight.key: (weight.inputs, weight.outs) for weight in found} == {
        key: (use.inputs, use.outs) for key, (use, *_) in backwards.items()
    }


def saved(proto: onnx.ModelProto, path: Path) -> Model:
    """Write a model with its large tensors beside it, and read it back."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    external_data_helper.convert_model_to_external_data(copy, location=path.name + ".data", size_threshold=64)
    onnx.save(copy, path)
    return Model.load(path)


def large(turned: bool = True) -> onnx.ModelProto:
    """A weight of more than what is read at a time."""
    g = Graph()
    w = g.weight(2048, 512)
    given = g.input(2, 512 if turned else 2048)
    g.output(g.add("Gemm", given, w, transB=int(turned)))
    return g.model()


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_beside_the_model_are_checked_in_parts(axis: int, tmp_path: Path) -> None:
    proto = large(turned=axis == 1)
    key = ("", "stored_1")
    dense = saved(proto, tmp_path / "dense.onnx")
    pruned = saved(with_weight(proto, key, lambda values: patterned(values, axis)).proto, tmp_path / "pruned.onnx")
    claim = Claim("2:4", {key: 2**19})
    for before, after in ((dense, pruned), (Model(proto), pruned), (dense, Model(onnx.load(tmp_path / "pruned.onnx")))):
        assert check_sparsity(before, after, claim).zeros == 2**19

    def change(values: Array) -> Array:
        values = patterned(values, axis)
        values[2047, 511] = 0
        values[2046 if axis else 2047, 510] = 1
        return values

    damaged = saved(with_weight(proto, key, change).proto, tmp_path / "damaged.onnx")
    with pytest.raises(VerificationError, match="numbers of it that are not zero changed"):
        check_sparsity(dense, damaged, claim)


def test_each_part_of_a_weight_beside_the_model_has_its_own_zero_points(tmp_path: Path) -> None:
    g = QuantizedGraph()
    values, zero = g.rng.integers(-128, 128, (2048, 1024)), g.rng.integers(1, 10, 2048)
    weight = g.store(values, np.int8)
    g.output(g.add("Gemm", g.input(2, 1024), g.add(
        "DequantizeLinear", weight, g.positive(2048), g.store(zero, np.int8), axis=0
    ), transB=1))  # fmt: skip
    proto, key = g.model(), ("", weight)
    dense = saved(proto, tmp_path / "dense.onnx")
    pruned = with_weight(proto, key, lambda values: patterned(values, 1, zero=zero[:, None]))
    claim = Claim("2:4", {key: 2**20})
    assert check_sparsity(dense, saved(pruned.proto, tmp_path / "pruned.onnx"), claim).weights == 1
    damaged = with_weight(pruned.proto, key, lambda values: block(values, slice(1500, 1501), slice(7)))
    with pytest.raises(VerificationError, match=r"\[1500, 0:4\] more than 2 of 4"):
        claim = Claim("2:4", {key: 2**20}, recovered={weight})
        check_sparsity(dense, saved(damaged.proto, tmp_path / "damaged.onnx"), claim)


def test_external_data_that_is_in_the_same_place_is_not_read(tmp_path: Path) -> None:
    dense = saved(large(), tmp_path / "dense.onnx")
    again = Model.load(tmp_path / "dense.onnx")
    (tmp_path / "dense.onnx.data").write_bytes(b"")
    assert check_sparsity(dense, again, Claim("element", {})).unchanged == 1


class Negation:
    """An edit of values in external data as they are read."""

    rows = 1

    def over(self, parts: Iterator[Array]) -> Iterator[Array]:
        for part in parts:
            yield -part


def test_external_data_that_is_edited_as_it_is_read_is_no_longer_the_same(tmp_path: Path) -> None:
    dense = saved(large(), tmp_path / "dense.onnx")
    edited = Model(dense.proto, dense.path, {("dense.onnx.data", 0): Negation()})
    with pytest.raises(VerificationError, match="tensor 'stored_1': its values changed"):
        check_sparsity(dense, edited, Claim("element", {}))
