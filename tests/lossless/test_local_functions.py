"""Calls of a model's own functions become their bodies: what goes with the calls, and what stays."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import pytest
from decorated import NAMES, decorated
from leveled import assert_only_planned
from networks import plain
from onnx import helper, inliner

import onnxprune

LOCAL = "pkg.torch.nn"


def function(name: str, op: str) -> onnx.FunctionProto:
    node = helper.make_node(op, ["x"], ["y"], "inside", doc_string="a node of a body")
    node.metadata_props.add(key="origin", value="body")
    made = helper.make_function(LOCAL, name, ["x"], ["y"], [node], [helper.make_opsetid("", 17)])
    made.doc_string = "a function"
    made.metadata_props.add(key="origin", value="function")
    return made


def calling(functions: Sequence[str]) -> onnx.ModelProto:
    """A network whose rectifiers are calls, and functions of which some are never called."""
    proto = decorated(plain())
    for node in proto.graph.node:
        if node.op_type == "Relu":
            node.op_type, node.domain = "ReLU", LOCAL
    proto.functions.extend(function(name, "Relu") for name in functions)
    proto.opset_import.append(helper.make_opsetid(LOCAL, 1))
    return proto


@pytest.mark.parametrize("options", [{"round_to": "none"}, {"granularity": "element"}], ids=["channels", "zeros"])
def test_all_but_the_calls_stays(options: dict) -> None:
    proto = calling(["ReLU", "Unused"])
    result = onnxprune.prune(proto, 0.3, calibration="none", **options)
    assert_only_planned(inliner.inline_local_functions(proto), result.model, result.plan)


def test_inlining_leaves_everything_but_the_calls_and_the_functions() -> None:
    """Node by node: the rest of the graph, its notes, and the domain of the functions are as they were."""
    proto = calling(["ReLU"])
    model = onnxprune.prune(proto, 0, calibration="none").model
    before, after = onnx.ModelProto(), onnx.ModelProto()
    before.CopyFrom(proto)
    after.CopyFrom(model)
    calls = [place for place, node in enumerate(proto.graph.node) if node.domain == LOCAL]
    assert calls and not model.functions
    for place in reversed(calls):
        inlined, call = after.graph.node[place], before.graph.node[place]
        assert (inlined.op_type, list(inlined.input), list(inlined.output)) == ("Relu", call.input, call.output)
        assert inlined.doc_string == "a node of a body" and inlined.metadata_props[0].value == "body"
        del before.graph.node[place], after.graph.node[place]
    del before.functions[:]
    for node in (*before.graph.node, *after.graph.node):
        node.ClearField("domain")  # the inliner writes down the default one
    assert before.graph == after.graph and before.metadata_props == after.metadata_props
    assert list(before.opset_import) == list(after.opset_import)


def test_class_names_and_notes_of_the_model_survive_inlining() -> None:
    model = onnxprune.prune(calling(["ReLU"]), 0.3, round_to="none", calibration="none").model
    assert {entry.key: entry.value for entry in model.metadata_props}["names"] == NAMES
    assert model.doc_string and model.graph.doc_string and model.graph.quantization_annotation
