"""Every requirement on a model that has what it asks for, and on one that has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from subjects import branching, computed_weight, products, quantized, seen, small

from onnxprune.model import Model
from onnxprune.pipeline import check_model
from onnxprune.readiness.requirements import REQUIREMENTS
from onnxprune.readiness.subject import Subject
from onnxprune.select.widths import width_of_this_machine

QDQ = ["QuantizeLinear", "DequantizeLinear"]
SMALL = ["Conv", "Flatten", "Gemm", "GlobalAveragePool", "Relu"]
BRANCHING = [*SMALL, "Greater", "Identity", "If", "ReduceSum"]


def volumes() -> onnx.ModelProto:
    g = Graph()
    g.output(g.conv(g.input(1, 3, 4, 4, 4), 4))
    return g.model()


def open_side() -> onnx.ModelProto:
    g = Graph()
    g.output(g.add("Relu", g.input(1, 3, "h", 6)))
    return g.model()


def newer() -> onnx.ModelProto:
    model = small()
    model.ir_version = 10
    return model


def with_a_function() -> onnx.ModelProto:
    model, imports = small(), [onnx.helper.make_opsetid("", 17)]
    twice = onnx.helper.make_node("Add", ["a", "a"], ["b"])
    model.functions.append(onnx.helper.make_function("acme", "Twice", ["a"], ["b"], [twice], imports))
    return model


def pooled(outputs: int) -> onnx.ModelProto:
    g = Graph()
    g.output(*g.nodes_of("MaxPool", [g.image()], outputs, kernel_shape=[2, 2]))
    return g.model()


def resized(mode: str) -> onnx.ModelProto:
    g = Graph()
    g.output(g.add("Resize", g.image(), "", g.store([1, 1, 2, 2], np.float32), mode=mode))
    return g.model()


def reshaped(*wanted: int) -> onnx.ModelProto:
    g = Graph()
    g.output(g.reshape(g.input(2, 12), *wanted))
    return g.model()


def declared(channels: int) -> onnx.ModelProto:
    model = small()
    shape = [2, channels, 6, 6]
    model.graph.value_info.append(
        onnx.helper.make_tensor_value_info(model.graph.node[0].output[0], onnx.TensorProto.FLOAT, shape)
    )
    return model


def sparse(tensors: int) -> onnx.ModelProto:
    model = small()
    for place in range(tensors):
        values = onnx.numpy_helper.from_array(np.ones(1, np.float32), f"sparse {place}")
        indices = onnx.numpy_helper.from_array(np.zeros(1, np.int64), "indices")
        model.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, indices, [4]))
    return model


def unloadable() -> onnx.ModelProto:
    g = Graph()
    g.output(g.unknown(g.input(2, 4), shape=[2, 4]))
    return g.model()


PATTERN = {"n": 2, "m": 4, "outs": 8, "ins": 16, "pays_from": 64, "operators": ["Gemm"]}
ZEROS = {"granularities": ["element"], "from": 0.5, "operators": ["Gemm"]}

CASES: list[tuple[str, dict[str, Any], onnx.ModelProto, onnx.ModelProto, str]] = [
    ("opsets", {"least": 9, "most": 17}, small(), small(opset=18), "opset 18"),
    ("ir_version", {"most": 8}, small(), newer(), "IR version 10"),
    ("functions", {"are_read": False}, small(), with_a_function(), "functions of the model's own: acme:Twice"),
    ("present_operators", {"names": QDQ}, quantized(), small(), "there is no QuantizeLinear and no DequantizeLinear"),
    ("operators", {"names": SMALL}, small(), quantized(), "QuantizeLinear (1 nodes)"),
    ("operators", {"names": BRANCHING}, small(), branching(), "not among the operators known: Sinh (1 nodes)"),
    ("ranks", {"Conv": [4]}, small(), volumes(), "Conv of rank 5 (1 nodes)"),
    ("stored_inputs", {"Conv": [1]}, small(), computed_weight(), "input 1 of Conv is computed (1 nodes)"),
    ("unused_outputs", {"MaxPool": [1]}, pooled(1), pooled(2), "output 1 of MaxPool is used (1 nodes)"),
    ("attributes", {"Resize": {"mode": ["nearest"]}}, resized("nearest"), resized("linear"), "with mode linear"),
    ("types", {"names": ["float", "int64"]}, reshaped(2, 12), quantized(), "int8 (1 tensors, first "),
    ("zero_points", {"operators": QDQ}, quantized(), quantized(3, np.uint8), "at 2 of 2 nodes"),
    ("shapes", {"open": "none"}, small(), small(batch="n"), "open sizes of inputs: input_1 nx3x6x6"),
    ("shapes", {"open": "batch"}, small(batch="n"), open_side(), "open sizes of inputs: input_1 1x3xhx6"),
    ("sizes_agree", {}, reshaped(4, 6), reshaped(5, 6), "reshapes 24 elements to 30"),
    ("declared_shapes", {}, declared(16), declared(24), "is declared as 2x24x6x6 and is 2x16x6x6"),
    ("size", {"most": 10_000}, small(), products(64, 64), "MB"),
    ("external_data", {"is_read": True}, small(), small(), ""),
    ("sparse_tensors", {"are_read": False}, small(), sparse(2), "2 tensors are stored sparse"),
    ("download", {}, small(), small(), ""),
    ("widths", {"multiple": 8}, products(64, 64), products(64, 84), "1 of 2 channel counts are no multiples of 8"),
    ("pattern", PATTERN, products(64, 64, "2:4"), products(20, 64, "2:4"), "0 of them are eligible by size"),
    ("zeros", ZEROS, products(64, 64, "element"), products(64, 64, "some"), "what saves time: element"),
    ("loads", {"engine": "onnxruntime"}, small(), unloadable(), "does not load it: "),
    ("mobile_usability", {}, small(), small(), ""),
]
"""A kind, a value, a model that has it, one that has not, and what is said of that; nothing where none can fail."""


def test_every_requirement_is_tried() -> None:
    assert {case[0] for case in CASES} == REQUIREMENTS.keys()


@pytest.mark.parametrize(("kind", "value", "good", "bad", "said"), CASES, ids=[case[0] for case in CASES])
def test_what_is_there_is_told_from_what_is_not(
    kind: str, value: dict[str, Any], good: onnx.ModelProto, bad: onnx.ModelProto, said: str
) -> None:
    assert seen(kind, good, **value).is_met is True
    if said:
        observed = seen(kind, bad, **value)
        assert observed.is_met is False and said in observed.found


def test_nodes_are_named_where_something_is_wrong_with_them() -> None:
    model = computed_weight()
    assert seen("stored_inputs", model, Conv=[1]).nodes == (model.graph.node[1].name,)
    assert seen("operators", model, names=["Mul", "DequantizeLinear"]).details == {"operators": {"Conv": 2}}


def test_attributes_have_their_defaults() -> None:
    g = Graph()
    g.output(g.add("DepthToSpace", g.image(4), blocksize=2))
    assert seen("attributes", g.model(), DepthToSpace={"mode": ["CRD"]}).found == "DepthToSpace with mode DCR (1 nodes)"
    assert seen("attributes", g.model(), DepthToSpace={"mode": ["DCR"]}).is_met is True


def test_sizes_behind_computed_targets_are_not_guessed() -> None:
    assert seen("sizes_agree", reshaped(-1, 5)).is_met is True
    assert seen("sizes_agree", reshaped(0, 5)).is_met is True


def test_external_data_that_is_not_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(products(64, 64), path, save_as_external_data=True, location="net.data", size_threshold=0)
    subject = Subject(Model.load(path))
    assert REQUIREMENTS["external_data"](subject, {"is_read": True}).is_met is True
    assert REQUIREMENTS["external_data"](subject, {"is_read": False}).is_met is False
    whole = REQUIREMENTS["download"](subject, {}).details
    assert whole["bytes"] == sum(file.stat().st_size for file in tmp_path.iterdir())


def test_weights_beside_a_model_are_loaded_from_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(products(64, 64), path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert check_model(path).findings[-1].seen.found.endswith("loads it")
    unsaved = REQUIREMENTS["loads"](Subject(Model.load(path)), {"engine": "onnxruntime"})
    assert unsaved.is_met is None and "before its weights are in their file" in unsaved.found


def test_zeros_make_a_download_smaller() -> None:
    dense, half = (seen("download", products(64, 64, zeros)).details for zeros in ("none", "element"))
    assert dense["bytes"] == half["bytes"] == len(products(64, 64).SerializeToString())
    assert 0.4 * dense["bytes"] < half["compressed_bytes"] < 0.6 * dense["compressed_bytes"]


def test_nobody_is_asked_without_leave() -> None:
    for kind, value in (("loads", {"engine": "onnxruntime"}), ("mobile_usability", {})):
        observed = seen(kind, small(), asks=False, **value)
        assert observed.is_met is None and "not asked" in observed.found


def test_a_runtime_that_is_not_installed_is_not_asked() -> None:
    observed = seen("loads", small(), engine="no_such_runtime")
    assert observed.is_met is None and "is not installed here" in observed.found


def test_only_weights_of_the_right_sizes_are_eligible_and_only_large_ones_pay() -> None:
    fine, narrow = (seen("pattern", products(*size, "2:4"), **PATTERN).details for size in ((64, 64), (16, 64)))
    assert len(fine["eligible"]) == len(fine["from_where_it_pays"]) == 1
    assert len(narrow["eligible"]) == 1 and narrow["from_where_it_pays"] == []


def test_a_pattern_is_never_called_faster() -> None:
    found = seen("pattern", products(64, 64, "2:4"), **PATTERN).found
    assert found.startswith("2:4 pattern verified in 1 of 1 weights") and found.endswith("no speed was measured")


def test_the_pattern_of_a_convolution_lies_along_its_input_channels() -> None:
    for axis, count in ((1, 1), (0, 0)):
        g = Graph()
        weight = np.moveaxis(g.random(16, 16, 3, 3), axis, 0)
        weight[0::4] = weight[1::4] = 0
        g.output(g.add("Conv", g.image(16), g.store(np.moveaxis(weight, 0, axis)), kernel_shape=[3, 3]))
        details = seen("pattern", g.model(), **{**PATTERN, "operators": ["Conv"]}).details
        assert len(details["with_pattern"]) == count


def test_zeros_that_nothing_makes_use_of_are_told() -> None:
    observed = seen("zeros", products(64, 64, "2:4"), granularities=[], **{"from": 0.5})
    assert observed.is_met is False and "what saves time: none" in observed.found
    assert seen("zeros", products(64, 64), granularities=[], **{"from": 0.5}).is_met is True


def test_where_a_pattern_saves_time_other_zeros_do_not() -> None:
    options: dict[str, Any] = {"granularities": ["2:4"], "from": 0.5}
    assert seen("zeros", products(64, 64, "2:4"), **options).is_met is True
    assert seen("zeros", products(64, 64, "element"), **options).is_met is False


def test_the_width_of_this_machine_is_asked_for_by_name() -> None:
    details = seen("widths", products(64, 64), multiple="machine").details
    assert details["multiple"] == width_of_this_machine()
