"""Much of everything: deep, long and wide graphs, and tensors that are computed larger than any memory."""

from __future__ import annotations

from random import Random

import onnx
from drafts import Draft
from onnx import TensorProto, helper

from model_mutations.registry import mutation, nodes, pick


@mutation
def ten_thousand_nodes_in_a_row(draft: Draft, rng: Random) -> None:
    op_type = rng.choice(["Relu", "Identity", "Transpose", "Shape"])
    output = _last(draft)
    for place in range(10_000):
        source = output.name if place else f"{output.name} before"
        target = f"deep{place}" if place < 9_999 else output.name
        node = helper.make_node(op_type, [source if not place else f"deep{place - 1}"], [target])
        draft.proto.graph.node.append(node)


@mutation
def thousands_of_sums(draft: Draft, rng: Random) -> None:
    """A residual stream as long as they come."""
    output = _last(draft)
    last = f"{output.name} before"
    for place in range(3000):
        target = f"sum{place}" if place < 2999 else output.name
        draft.proto.graph.node.append(helper.make_node("Add", [last, f"{output.name} before"], [target]))
        last = target


def _last(draft: Draft) -> onnx.ValueInfoProto:
    """Return an output of the graph, whose tensor gets another name, for nodes to be put between."""
    output = pick(Random(0), draft.proto.graph.output)
    for node in nodes(draft):
        for place, name in enumerate(node.output):
            if name == output.name:
                node.output[place] = f"{output.name} before"
    return output


@mutation
def thousands_of_outputs(draft: Draft, rng: Random) -> None:
    name = pick(rng, [name for node in draft.proto.graph.node for name in node.output if name])
    for place in range(2000):
        draft.proto.graph.node.append(helper.make_node("Identity", [name], [f"out{place}"]))
        draft.proto.graph.output.append(onnx.ValueInfoProto(name=f"out{place}"))


@mutation
def hundreds_of_inputs(draft: Draft, rng: Random) -> None:
    for place in range(500):
        info = helper.make_tensor_value_info(f"in{place}", TensorProto.FLOAT, [1, 2])
        draft.proto.graph.input.append(info)


@mutation
def a_node_of_thousands_of_inputs(draft: Draft, rng: Random) -> None:
    output = _last(draft)
    node = helper.make_node(rng.choice(["Sum", "Max"]), [f"{output.name} before"] * 5000, [output.name])
    draft.proto.graph.node.append(node)


@mutation
def a_concatenation_of_hundreds(draft: Draft, rng: Random) -> None:
    output = _last(draft)
    node = helper.make_node("Concat", [f"{output.name} before"] * 500, ["wide"], axis=rng.choice([0, 1, -1]))
    cut = helper.make_node("Identity", [f"{output.name} before"], [output.name])
    draft.proto.graph.node.extend([node, cut])
    draft.proto.graph.output.append(onnx.ValueInfoProto(name="wide"))


@mutation
def thousands_of_stored_tensors(draft: Draft, rng: Random) -> None:
    for place in range(3000):
        draft.proto.graph.initializer.append(helper.make_tensor(f"many{place}", TensorProto.FLOAT, [2], [1, 2]))


@mutation
def a_tensor_that_doubles_on_and_on(draft: Draft, rng: Random) -> None:
    """Concat(x, x), again and again: 2**50 values, all of them constant."""
    graph = draft.proto.graph
    graph.initializer.append(helper.make_tensor("twice0", TensorProto.FLOAT, [1], [1]))
    depth = rng.choice([10, 34, 50, 70])
    for place in range(depth):
        graph.node.append(helper.make_node("Concat", [f"twice{place}"] * 2, [f"twice{place + 1}"], axis=0))
    graph.output.append(onnx.ValueInfoProto(name=f"twice{depth}"))


@mutation
def sizes_that_square_on_and_on(draft: Draft, rng: Random) -> None:
    """Mul(n, n) of a size, again and again: a number of millions of digits for whoever computes it exactly."""
    graph = draft.proto.graph
    graph.node.append(helper.make_node("Shape", [pick(rng, graph.input).name], ["square0"]))
    op_type = rng.choice(["Mul", "Add", "Concat"])
    more = {"axis": 0} if op_type == "Concat" else {}
    depth = rng.choice([12, 30, 60])
    for place in range(depth):
        graph.node.append(helper.make_node(op_type, [f"square{place}"] * 2, [f"square{place + 1}"], **more))
    graph.output.append(onnx.ValueInfoProto(name=f"square{depth}"))


@mutation
def a_fill_larger_than_any_memory(draft: Draft, rng: Random) -> None:
    graph = draft.proto.graph
    dims = rng.choice([[2**40], [2**31, 2**31], [2**20, 2**13], [-1], [2**62, 2]])
    graph.initializer.append(helper.make_tensor("enormous", TensorProto.INT64, [len(dims)], dims))
    made = {
        "ConstantOfShape": helper.make_node("ConstantOfShape", ["enormous"], ["filled"]),
        "Expand": helper.make_node("Expand", [pick(rng, graph.input).name, "enormous"], ["filled"]),
        "Tile": helper.make_node("Tile", [pick(rng, graph.input).name, "enormous"], ["filled"]),
        "Reshape": helper.make_node("Reshape", [pick(rng, graph.input).name, "enormous"], ["filled"]),
    }
    graph.node.append(rng.choice(list(made.values())))
    graph.output.append(onnx.ValueInfoProto(name="filled"))


@mutation
def a_range_larger_than_any_memory(draft: Draft, rng: Random) -> None:
    graph = draft.proto.graph
    for name, value in (("first", 0), ("last", rng.choice([2**40, 2**62])), ("step", rng.choice([1, 0, -1]))):
        graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [], [value]))
    graph.node.append(helper.make_node("Range", ["first", "last", "step"], ["ranged"]))
    graph.output.append(onnx.ValueInfoProto(name="ranged"))


@mutation
def many_axes(draft: Draft, rng: Random) -> None:
    """A reshape to ones, more of them than numpy or onnxruntime have axes for."""
    graph = draft.proto.graph
    count = rng.choice([20, 33, 65, 1000])
    graph.initializer.append(helper.make_tensor("ones", TensorProto.INT64, [count], [-1] + [1] * (count - 1)))
    graph.node.append(helper.make_node("Reshape", [pick(rng, graph.input).name, "ones"], ["thin"]))
    graph.node.append(helper.make_node("Relu", ["thin"], ["thin relu"]))
    graph.output.append(onnx.ValueInfoProto(name="thin relu"))


@mutation
def channels_that_double_on_and_on(draft: Draft, rng: Random) -> None:
    """Concat(x, x) of what a layer computes, again and again."""
    graph = draft.proto.graph
    name = pick(rng, [name for node in graph.node for name in node.output[:1] if name])
    depth = rng.choice([5, 14, 26, 40])
    for place in range(depth):
        names = [f"channels{place}" if place else name] * 2
        graph.node.append(helper.make_node("Concat", names, [f"channels{place + 1}"], axis=1))
    graph.node.append(helper.make_node("ReduceMean", [f"channels{depth}"], ["mean"], keepdims=0))
    graph.output.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, []))
