"""Simplifying first: more can be pruned, the outputs are the same, and what is no computation stays."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import CLASSES, Net, plain, shared_scale, unprunable
from onnx import TensorProto, helper, numpy_helper
from quantized_graphs import QuantizedGraph, stored

from onnxprune.errors import ModelError, UsageError, VerificationError
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.pipeline import inspect_model, prune_model
from onnxprune.runtime import run
from onnxprune.simplify import Simplified, simplified
from onnxprune.simplify.restored import check_quantizers
from onnxprune.simplify.slimmed import slimmed

pytest.importorskip("onnxslim", reason="simplifying needs onnxslim: pip install 'onnxprune[simplify]'")

SIDE, WIDTH = 5, 8
HARM = "onnxprune.simplify.prepass.slimmed"
"""Where tests put a simplifier that makes mistakes."""


def flattened(through_floats: bool = True, batch: int | str = "batch") -> onnx.ModelProto:
    """A convolution, flattened as Keras does it: the size of the batch takes a detour through real numbers."""
    net = Net(side=SIDE, batch=batch)
    x = net.relu(net.conv("conv1", "x", WIDTH))
    if through_floats:
        shape = net.node("Cast", [net.node("Shape", [x], "shape")], "floats", to=TensorProto.FLOAT)
        bounds = [net.store("from", np.array([0])), net.store("to", np.array([1]))]
        size = net.node("Slice", [shape, *bounds], "size")
        rest = net.store("rest", np.array([WIDTH * SIDE * SIDE], np.float32))
        target = net.node("Cast", [net.node("Concat", [size, rest], "both", axis=0)], "target", to=TensorProto.INT64)
        x = net.node("Reshape", [x, target], "flat")
    else:
        x = net.node("Flatten", [x], "flat")
    weight = net.weight("fc.weight", CLASSES, WIDTH * SIDE * SIDE)
    return net.model(net.node("Gemm", [x, weight], "fc", transB=1))


def operators(proto: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in proto.graph.node)


def assert_same_outputs(found: Simplified, given: onnx.ModelProto, **shapes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(7)
    feeds = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    for e, a in zip(run(Model(given), feeds), run(found.model, feeds), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-5)


# What it buys


def test_a_size_that_went_through_real_numbers_becomes_prunable() -> None:
    given = flattened()
    found = simplified(Model(given))
    assert [dim["name"] for dim in found.dense.dims] == []
    assert [dim["size"] for dim in found.simple.dims] == [WIDTH]
    assert found.as_dict()["prunable_macs"]["after"] > 0.8
    assert_same_outputs(found, given, x=(4, 3, SIDE, SIDE))
    pruned = prune_model(found.model, Options(amount=0.4, round_to="none"))
    assert pruned.report.verified is not None
    assert pruned.report.verified["verdict"] == "proved"


def test_normalizations_are_folded_and_the_outputs_stay() -> None:
    given = plain()
    found = simplified(Model(given))
    assert operators(found.model.proto)["BatchNormalization"] == 0
    assert found.nodes.after == found.nodes.before - 1
    assert found.outputs is not None
    assert found.outputs.error <= found.outputs.tolerance
    assert_same_outputs(found, given, x=(2, 3, 5, 5))


def test_what_was_run_is_said_and_where_sizes_are_open_two_are_tried() -> None:
    fixed, open_ = simplified(Model(plain())).outputs, simplified(Model(plain(batch="batch"))).outputs
    assert fixed is not None
    assert fixed.inputs == ({"x": (2, 3, 5, 5)},)
    assert open_ is not None
    assert [shapes["x"][0] for shapes in open_.inputs] == [1, 3]


def test_given_inputs_are_the_only_ones_that_are_run() -> None:
    found = simplified(Model(plain(batch="batch")), feeds={"x": np.ones((5, 3, 5, 5), np.float32)}).outputs
    assert found is not None
    assert (found.given, found.inputs) == (True, ({"x": (5, 3, 5, 5)},))


def test_shapes_are_not_inferred_where_that_would_hide_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def half_known(proto: onnx.ModelProto, hidden: Any, infer_shapes: bool) -> onnx.ModelProto:
        return flattened() if infer_shapes else slimmed(proto, hidden, infer_shapes)

    monkeypatch.setattr(HARM, half_known)
    found = simplified(Model(flattened(through_floats=False)))
    assert [dim["size"] for dim in found.simple.dims] == [WIDTH]


def test_queries_keys_and_values_keep_widths_of_their_own() -> None:
    g = Graph()
    x = g.input("batch", "length", 12)
    split = []
    for perm in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)):
        projected = g.linear(x, 8)
        sizes = [g.size_of(x, 0), g.size_of(x, 1), g.ints(2), g.ints(4)]
        split.append(g.transpose(g.add("Reshape", projected, g.add("Concat", *sizes, axis=0)), *perm))
    weights = g.add("Softmax", g.add("MatMul", *split[:2]), axis=-1)
    mixed = g.transpose(g.add("MatMul", weights, split[2]), 0, 2, 1, 3)
    joined = g.add("Reshape", mixed, g.add("Concat", g.size_of(x, 0), g.size_of(x, 1), g.ints(-1), axis=0))
    g.output(g.add("MatMul", joined, g.weight(8, 5)))
    found = simplified(Model(g.model()))
    assert sorted(dim["size"] for dim in found.simple.dims) == [2, 4, 4]


def test_a_model_in_which_nothing_can_be_simplified_stays_as_it_is() -> None:
    given = unprunable()
    found = simplified(Model(given))
    assert found.nodes.before == found.nodes.after
    assert operators(found.model.proto) == operators(given)


# What stays


def test_the_given_model_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    onnx.save(shared_scale(ir=3), file)
    model, before = Model.load(file), file.read_bytes()
    message = model.proto.SerializeToString(deterministic=True)
    simplified(model)
    assert model.proto.SerializeToString(deterministic=True) == message
    assert file.read_bytes() == before


def test_metadata_notes_inputs_outputs_and_open_sizes_stay_to_the_letter() -> None:
    given = plain(batch="batch")
    given.doc_string, given.domain, given.model_version, given.producer_name = "about", "acme", 3, "maker"
    given.metadata_props.add(key="names", value="{0: 'cat'}")
    given.graph.doc_string, given.graph.input[0].doc_string, given.graph.node[0].doc_string = "graph", "in", "node"
    given.graph.input.append(helper.make_tensor_value_info("unused", TensorProto.FLOAT, ["batch", 2]))
    made = simplified(Model(given)).model.proto
    for field in ("doc_string", "domain", "model_version", "producer_name", "ir_version", "metadata_props"):
        assert getattr(made, field) == getattr(given, field)
    assert list(made.graph.input) == list(given.graph.input)
    assert list(made.graph.output) == list(given.graph.output)
    assert list(made.opset_import) == list(given.opset_import)
    assert (made.graph.name, made.graph.doc_string) == (given.graph.name, "graph")
    onnx.checker.check_model(made, full_check=True)


def test_notes_stay_with_nodes_that_stay() -> None:
    given = plain()
    notes = {node.name: node.doc_string for node in given.graph.node if node.op_type == "Gemm"}
    for node in given.graph.node:
        node.doc_string = f"about {node.name}"
    made = simplified(Model(given)).model.proto
    kept = {node.output[0]: node.doc_string for node in made.graph.node}
    assert all(kept[name] == f"about {name}" for name in notes)


def test_quantization_stays_in_the_graph_with_its_integers() -> None:
    g = QuantizedGraph()
    x = g.rounded(g.add("Identity", g.image()))
    g.output(g.qdq_conv(g.add("Relu", g.qdq_conv(x, 6)), 4))
    given = g.model()
    made = simplified(Model(given)).model.proto
    for kind in ("QuantizeLinear", "DequantizeLinear"):
        assert operators(made)[kind] == operators(given)[kind]
    assert operators(made)["Identity"] == 0
    integers = {name: values for name, values in stored(given).items() if values.dtype == np.int8 and values.ndim == 4}
    assert integers
    assert all(np.array_equal(stored(made)[name], values) for name, values in integers.items())


def test_weights_of_one_byte_that_a_cast_makes_wider_are_not_stored_wider() -> None:
    g = QuantizedGraph()
    weight = g.store(g.rng.integers(-100, 100, (5, 6)), np.int8)
    real = g.add("Mul", g.add("Cast", weight, to=TensorProto.FLOAT), g.store(0.01, np.float32))
    g.output(g.linear(g.add("MatMul", g.input("batch", 5), real), 2))
    given = g.model()
    found = simplified(Model(given))
    assert stored(found.model.proto)[weight].dtype == np.int8
    assert_same_outputs(found, given, **{given.graph.input[0].name: (3, 5)})


def test_what_is_used_in_several_places_stays_one_tensor() -> None:
    g = Graph()
    weight = g.weight(6, 6, fan_in=6)
    x = g.input("batch", 6)
    for _ in range(3):
        x = g.add("Tanh", g.add("MatMul", x, g.add("Transpose", g.add("Identity", weight), perm=[1, 0])))
    g.output(x)
    given = g.model()
    found = simplified(Model(given))
    matrices = [name for name, values in stored(found.model.proto).items() if values.ndim == 2]
    assert matrices == [weight]
    assert found.simple.params == found.dense.params
    assert_same_outputs(found, given, **{given.graph.input[0].name: (3, 6)})


def test_models_of_the_first_versions_list_every_initializer_as_an_input() -> None:
    given = shared_scale(ir=3)
    made = simplified(Model(given)).model.proto
    names = [info.name for info in made.graph.input]
    assert names[0] == "x"
    assert sorted(names[1:]) == sorted(stored(made))


def test_values_beside_the_model_are_read_and_end_up_in_it(tmp_path: Path) -> None:
    given = plain()
    file = tmp_path / "model.onnx"
    onnx.save(plain(), file, save_as_external_data=True, location="model.data", size_threshold=0)
    found = simplified(Model.load(file))
    assert not found.model.has_external_data()
    assert_same_outputs(found, given, x=(2, 3, 5, 5))


def test_a_wrong_declared_shape_of_an_output_misleads_nobody() -> None:
    g = Graph()
    x = g.linear(g.input("batch", 4, 3), 6)
    target = g.add("Concat", g.size_of(x, 0), g.ints(8), g.ints(3), axis=0)
    g.output(g.add("Reshape", x, target))
    given = g.model()
    shape = given.graph.output[0].type.tensor_type.shape
    del shape.dim[:]
    shape.dim.add().dim_value = 1
    shape.dim.add().dim_param = "length"
    made = simplified(Model(given))
    assert made.model.proto.graph.output[0] == given.graph.output[0]
    assert_same_outputs(made, given, **{given.graph.input[0].name: (2, 4, 3)})


def test_the_same_model_gives_the_same_bytes() -> None:
    first, second = (simplified(Model(flattened())).model.proto for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


# What is refused


def harmed(harm: Callable[[onnx.ModelProto], None]) -> Callable[..., onnx.ModelProto]:
    """A simplifier that does its work, and then does harm."""

    def simplifier(*arguments: Any, **options: Any) -> onnx.ModelProto:
        made = slimmed(*arguments, **options)
        harm(made)
        return made

    return simplifier


def damage_a_weight(proto: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in proto.graph.initializer if len(tensor.dims) == 4)
    values = numpy_helper.to_array(tensor).copy()
    values[0] *= 1.01
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def bake_the_batch(proto: onnx.ModelProto) -> None:
    node = next(node for node in proto.graph.node if node.op_type == "Reshape")
    proto.graph.initializer.append(numpy_helper.from_array(np.array([1, WIDTH * SIDE * SIDE]), "baked"))
    node.input[1] = "baked"


def lose_the_output(proto: onnx.ModelProto) -> None:
    proto.graph.node[-1].output[0] = "other"


@pytest.mark.parametrize(
    ("harm", "error", "words"),
    [
        (damage_a_weight, VerificationError, "output 'fc' is off by"),
        (bake_the_batch, VerificationError, "the simplified one does not"),
        (lose_the_output, ModelError, "lost output 'fc'"),
    ],
)
def test_mistakes_of_the_simplifier_are_refused_in_one_line(
    harm: Any, error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HARM, harmed(harm))
    with pytest.raises(error, match=words) as raised:
        simplified(Model(flattened()))
    assert "\n" not in str(raised.value)


def test_quantization_that_was_folded_away_is_refused() -> None:
    g = QuantizedGraph()
    g.output(g.qdq_conv(g.image(), 4))
    before = Model(g.model())
    after = onnx.ModelProto()
    after.CopyFrom(before.proto)
    node = next(n for n in after.graph.node if n.op_type == "DequantizeLinear" and len(n.attribute) == 1)
    after.graph.initializer.append(numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), node.output[0]))
    after.graph.node.remove(node)
    check_quantizers(before, before)
    with pytest.raises(VerificationError, match="DequantizeLinear"):
        check_quantizers(before, Model(after))


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxslim", None)
    with pytest.raises(UsageError, match=r"^--simplify needs onnxslim: pip install 'onnxprune\[simplify\]'$"):
        simplified(Model(plain()))


@pytest.mark.parametrize("outcome", ["raises", "exits", "returns nothing"])
def test_a_crash_of_the_simplifier_is_one_line_and_what_it_prints_is_kept_in(
    outcome: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slim(*arguments: Any, **options: Any) -> None:
        print("working ...")
        print("a last word", file=sys.stderr)
        if outcome == "raises":
            raise KeyError("no\nsuch tensor")
        if outcome == "exits":
            sys.exit(1)

    monkeypatch.setitem(sys.modules, "onnxslim", SimpleNamespace(slim=slim))
    with pytest.raises(ModelError, match=r"cannot simplify the model.*a last word") as raised:
        simplified(Model(plain()))
    assert "\n" not in str(raised.value)
    assert capsys.readouterr() == ("", "")


def test_models_that_cannot_be_run_are_refused_unless_nothing_is_to_be_checked() -> None:
    g = Graph()
    x = g.unknown(g.conv(g.add("Identity", g.image()), 6), shape=(2, 6, 6, 6))
    g.output(g.conv(x, 2))
    given = Model(g.model())
    with pytest.raises(ModelError, match="Frobnicate"):
        simplified(given)
    found = simplified(given, check=False)
    assert found.outputs is None
    assert operators(found.model.proto) == Counter({"Conv": 2, "Frobnicate": 1})


def test_models_too_large_for_one_message_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxprune.simplify.prepass.is_large", lambda model: True)
    with pytest.raises(ModelError, match=r"up to 1\.9 GB"):
        simplified(Model(plain()))


def test_the_models_of_this_project_stay_as_prunable_as_they_are() -> None:
    given = Model.load(Path(__file__).parent.parent / "models" / "vision_transformer.onnx")
    found = simplified(given)
    assert found.nodes.after < 0.6 * found.nodes.before
    assert len(found.simple.dims) == len(found.dense.dims) == len(inspect_model(given).dims)
