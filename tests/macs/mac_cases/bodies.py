"""Control flow: a body counts as often as it runs, or may run at most."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mac_cases.case import ONES, MacGraph, costs


def body(
    name: str, width: int, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], x: str
) -> onnx.GraphProto:
    """y = x [4, 5] times ones [5, width]; a first output is a condition that holds."""
    nodes = [
        helper.make_node("Constant", [], ["go"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("MatMul", [x, f"{name}_w"], ["y"]),
    ]
    weight = numpy_helper.from_array(np.ones((5, width), np.float32), f"{name}_w")
    return helper.make_graph(nodes, name, inputs, outputs, [weight])


GO = helper.make_tensor_value_info("go", TensorProto.BOOL, [])


def result(width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, width])


def branch(name: str, x: str) -> onnx.GraphProto:
    """x [4, 5] times one matrix, or in `twice` by another before."""
    graph = body(name, 6, [], [result(6)], f"{name}_x" if name == "twice" else x)
    if name == "twice":
        graph.node.insert(0, helper.make_node("MatMul", [x, "square"], [f"{name}_x"]))
        graph.initializer.append(numpy_helper.from_array(np.eye(5, dtype=np.float32), "square"))
    return graph


@costs("If", 4 * 5 * 6 + 4 * 5 * 5)
def if_takes_what_its_larger_branch_takes(g: MacGraph) -> None:
    """4 rows, 5 in, 6 out; in the other branch another 5 x 5 before."""
    x, flag = g.input(4, 5), g.input(dtype=TensorProto.BOOL)
    g.output(g.add("If", flag, then_branch=branch("once", x), else_branch=branch("twice", x)))


@costs("If", 4 * 5 * 6, ONES)
def if_takes_the_branch_that_is_always_taken(g: MacGraph) -> None:
    """4 rows, 5 in, 6 out, whatever the other branch."""
    x, always = g.input(4, 5), g.add("Squeeze", g.add("Equal", g.size_of(g.input(3), 0), g.ints(3)))
    g.output(g.add("If", always, then_branch=branch("once", x), else_branch=branch("twice", x)))


def step(x: str) -> onnx.GraphProto:
    """One turn of a loop that multiplies something from outside."""
    count = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    going = helper.make_tensor_value_info("going", TensorProto.BOOL, [])
    return body("step", 6, [count, going], [GO, result(6)], x)


@costs("Loop", 3 * 4 * 5 * 6, ONES)
def loop_counts_its_trips(g: MacGraph) -> None:
    """3 trips, 4 rows, 5 in, 6 out."""
    g.output(g.add("Loop", g.store(3, np.int64), "", body=step(g.input(4, 5))))


@costs("Loop", 7 * 4 * 5 * 6)
def loop_over_a_size_of_its_input(g: MacGraph) -> None:
    """7 trips, 4 rows, 5 in, 6 out."""
    trips = g.add("Squeeze", g.size_of(g.input(7, 2), 0))
    g.output(g.add("Loop", trips, "", body=step(g.input(4, 5))))


@costs("Scan", 7 * 4 * 5 * 6, ONES)
def scan_counts_its_steps(g: MacGraph) -> None:
    """7 steps, 4 rows, 5 in, 6 out."""
    taken = helper.make_tensor_value_info("x_t", TensorProto.FLOAT, [4, 5])
    inner = body("step", 6, [taken], [result(6)], "x_t")
    g.output(g.add("Scan", g.input(4, 7, 5), body=inner, num_scan_inputs=1, scan_input_axes=[1]))
