"""If, Loop and Scan that do not fit their bodies, and functions that never end."""

from __future__ import annotations

from random import Random

import numpy as np
import onnx
from drafts import Draft
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from model_mutations.registry import graphs, mutation, nodes, pick


def _value(name: str, *dims: int, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, dims)


@mutation
def a_body_with_an_output_less(draft: Draft, rng: Random) -> None:
    pick(rng, [body for body in graphs(draft)[2:] if body.output]).output.pop()


@mutation
def a_body_with_an_output_more(draft: Draft, rng: Random) -> None:
    body = pick(rng, graphs(draft)[2:])
    body.output.append(rng.choice([_value("nowhere", 2), *body.output]))


@mutation
def a_body_with_an_input_more(draft: Draft, rng: Random) -> None:
    pick(rng, graphs(draft)[2:]).input.append(_value("more", 2))


@mutation
def a_body_with_an_input_less(draft: Draft, rng: Random) -> None:
    pick(rng, [body for body in graphs(draft)[2:] if body.input]).input.pop()


@mutation
def an_empty_body(draft: Draft, rng: Random) -> None:
    pick(rng, graphs(draft)[2:]).CopyFrom(onnx.GraphProto())


@mutation
def a_loop_of_another_length(draft: Draft, rng: Random) -> None:
    _run_for(draft, rng.choice([0, -1, 1, 1000]))


@mutation
def a_loop_that_never_ends(draft: Draft, rng: Random) -> None:
    """Whoever runs this model waits, so it is for commands that do not."""
    _run_for(draft, rng.choice([2**31, 2**62, 2**63 - 1, None]))


def _run_for(draft: Draft, count: int | None) -> None:
    graph = draft.proto.graph
    graph.initializer.append(numpy_helper.from_array(np.array(count or 0), "trips"))
    pick(Random(0), nodes(draft, "Loop")).input[0] = "trips" if count is not None else ""


@mutation
def bodies_in_bodies(draft: Draft, rng: Random) -> None:
    """An If in an If, and so on, as deep as protobuf reads messages in messages, and deeper."""
    depth = rng.choice([3, 12, 24, 31, 33, 60, 200, 5000])
    source = pick(rng, draft.proto.graph.input)
    kind = source.type.tensor_type.elem_type
    body = _flat(source.name, "deep", kind).SerializeToString()
    for level in range(depth):
        node = helper.make_node("If", ["yes"], [f"level{level}"], else_branch=_flat(source.name, f"no{level}", kind))
        branch = AttributeProto(name="then_branch", type=AttributeProto.GRAPH).SerializeToString() + _field(6, body)
        around = onnx.GraphProto(name="body", output=[_untyped(f"level{level}", kind)]).SerializeToString()
        body = around + _field(1, node.SerializeToString() + _field(5, branch))
    graph = draft.proto.graph
    graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    draft.data = draft.content() + _field(7, body)  # a second graph is joined with the first


def _field(number: int, content: bytes) -> bytes:
    """Return a message within another as protobuf writes it, which itself refuses to write deep ones."""
    length, left = bytearray(), len(content)
    while left > 0x7F:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([number << 3 | 2, *length, left]) + content


def _flat(source: str, name: str, kind: int) -> onnx.GraphProto:
    return helper.make_graph([helper.make_node("Identity", [source], [name])], "flat", [], [_untyped(name, kind)])


def _untyped(name: str, kind: int) -> onnx.ValueInfoProto:
    """Return a value of an element type, and no shape."""
    return helper.make_value_info(name, helper.make_tensor_type_proto(kind, None))


def _function(draft: Draft, name: str, calls: list[str]) -> None:
    """Add a function of one input and output that calls others, one after the other."""
    made = []
    for place, call in enumerate(calls):
        output = "y" if place == len(calls) - 1 else f"t{place}"
        made.append(helper.make_node(call, [f"t{place - 1}" if place else "x"], [output], domain="own"))
    imports = [helper.make_opsetid("own", 1), helper.make_opsetid("", 17)]
    draft.proto.functions.append(helper.make_function("own", name, ["x"], ["y"], made, imports))


def _call(draft: Draft, name: str) -> None:
    graph = draft.proto.graph
    source = pick(Random(0), graph.input).name
    graph.node.append(helper.make_node(name, [source], ["called"], domain="own"))
    graph.output.append(onnx.ValueInfoProto(name="called"))
    if "own" not in {entry.domain for entry in draft.proto.opset_import}:
        draft.proto.opset_import.add(domain="own", version=1)


@mutation
def a_function_that_calls_itself(draft: Draft, rng: Random) -> None:
    _function(draft, "again", ["again"])
    _call(draft, "again")


@mutation
def functions_that_call_each_other(draft: Draft, rng: Random) -> None:
    _function(draft, "ping", ["pong"])
    _function(draft, "pong", ["ping"])
    _call(draft, "ping")


@mutation
def functions_that_double_at_every_level(draft: Draft, rng: Random) -> None:
    """Inlined, this is 2**depth nodes."""
    depth = rng.choice([3, 18, 24, 40, 200])
    for level in range(depth):
        _function(draft, f"double{level}", [f"double{level - 1}"] * 2 if level else ["Nothing"])
    _call(draft, f"double{depth - 1}")


@mutation
def a_long_chain_of_functions(draft: Draft, rng: Random) -> None:
    for level in range(500):
        _function(draft, f"link{level}", [f"link{level - 1}"] if level else ["Nothing"])
    _call(draft, "link499")


@mutation
def a_function_twice(draft: Draft, rng: Random) -> None:
    draft.proto.functions.append(pick(rng, draft.proto.functions))


@mutation
def a_function_missing(draft: Draft, rng: Random) -> None:
    draft.proto.functions.remove(pick(rng, draft.proto.functions))


@mutation
def a_function_with_other_inputs(draft: Draft, rng: Random) -> None:
    function = pick(rng, draft.proto.functions)
    change = rng.randrange(5)
    if change == 0:
        function.input.pop()
    elif change == 1:
        function.output.append("nowhere")
    elif change == 2:
        function.input.append(function.input[0])
    elif change == 3:
        del function.opset_import[:]
    else:
        function.name, function.domain = "", ""


@mutation
def a_function_in_place_of_an_operator(draft: Draft, rng: Random) -> None:
    """A function that is called as an operator of the standard."""
    node = pick(rng, nodes(draft))
    inputs = [f"i{place}" for place in range(len(node.input))] or ["i0"]
    body = [helper.make_node("Identity", inputs[:1], ["o"])]
    function = helper.make_function("", node.op_type or "x", inputs, ["o"], body, [helper.make_opsetid("", 17)])
    draft.proto.functions.append(function)
