"""Control flow: If, Loop and Scan are traced, pruned and verified inside their bodies."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from proof import prove, random_masks, traced
from pruning import frozen_reasons

from onnxprune.apply import apply_masks
from onnxprune.axes import Fixed, reasons
from onnxprune.model import Model
from onnxprune.tracing import trace
from onnxprune.verify import verify

RNG = np.random.default_rng(0)


def weight(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array((RNG.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32), name)


def value(name: str, *shape: int | str, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def body(name: str, nodes: list[onnx.NodeProto], inputs: list, outputs: list, stored: list) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, inputs, outputs, stored)


def model(nodes: list[onnx.NodeProto], inputs: list, outputs: list, stored: list) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "flow", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def branch(name: str, op_type: str, output: str, out: int = 6) -> onnx.GraphProto:
    """h -> MatMul -> activation, with weights of its own and `h` read from outside."""
    nodes = [
        helper.make_node("MatMul", ["h", f"{name}_w"], [f"{name}_m"]),
        helper.make_node(op_type, [f"{name}_m"], [output]),
    ]
    return body(name, nodes, [], [value(output, 4, out)], [weight(f"{name}_w", 5, out)])


def branches() -> dict[str, onnx.GraphProto]:
    return {"then_branch": branch("a", "Tanh", "a_y"), "else_branch": branch("b", "Sin", "b_y")}


def choice() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node(
            "If", ["flag"], ["y"], then_branch=branch("a", "Tanh", "a_y"), else_branch=branch("b", "Sin", "b_y")
        ),
        helper.make_node("MatMul", ["y", "w2"], ["z"]),
    ]
    inputs = [value("x", 4, 3), value("flag", dtype=TensorProto.BOOL)]
    return model(nodes, inputs, [value("z", 4, 2)], [weight("w1", 3, 5), weight("w2", 6, 2)])


@pytest.mark.parametrize("flag", [False, True])
def test_both_branches_shrink_together_with_what_they_read_and_give(flag: bool) -> None:
    found = traced(choice(), [5, 6])
    for seed in range(3):
        masks = random_masks(found, seed)
        pruned, _ = apply_masks(found, masks)
        bodies = [a.g for node in pruned.proto.graph.node for a in node.attribute]
        assert len({tuple(b.initializer[0].dims) for b in bodies}) == 1
        feeds = {"x": RNG.standard_normal((4, 3)).astype(np.float32), "flag": np.array(flag)}
        result = verify(found, masks, pruned, feeds)
        # Damage to the branch that is not taken cannot be seen.
        assert set(result.unseen) <= {"1.else_branch/b_w" if flag else "1.then_branch/a_w"}


def test_a_condition_that_never_changes_leaves_one_branch_to_follow() -> None:
    proto = choice()
    proto.graph.initializer.append(numpy_helper.from_array(np.array(False), "always"))
    index = numpy_helper.from_array(np.array([1], np.int64), "one")
    size = numpy_helper.from_array(np.array([4], np.int64), "four")
    proto.graph.initializer.extend([index, size])
    decided = [
        helper.make_node("Shape", ["x"], ["shape"], start=0, end=1),
        helper.make_node("Equal", ["shape", "four"], ["is_four"]),
        helper.make_node("Squeeze", ["is_four"], ["decided"]),
    ]
    nodes = [*decided, *proto.graph.node]
    nodes[4].input[0] = "decided"
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    del proto.graph.input[1]
    found = traced(proto, [5, 6, 6])
    masks = random_masks(found, 1)
    pruned, _ = apply_masks(found, masks)
    feeds = {"x": RNG.standard_normal((4, 3)).astype(np.float32)}
    assert set(verify(found, masks, pruned, feeds).unseen) <= {"4.else_branch/b_w"}


def loop(out: int = 5) -> onnx.ModelProto:
    """h = tanh(h W + b), three times, and all h stacked."""
    nodes = [
        helper.make_node("MatMul", ["h_in", "w"], ["m"]),
        helper.make_node("Tanh", ["m"], ["h_out"]),
        helper.make_node("Identity", ["cond_in"], ["cond_out"]),
        helper.make_node("Sin", ["h_out"], ["each"]),
    ]
    inner = body(
        "step",
        nodes,
        [value("i", dtype=TensorProto.INT64), value("cond_in", dtype=TensorProto.BOOL), value("h_in", 4, 5)],
        [value("cond_out", dtype=TensorProto.BOOL), value("h_out", 4, out), value("each", 4, out)],
        [weight("w", 5, out)],
    )
    outer = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Loop", ["times", "", "h"], ["last", "all"], body=inner),
        helper.make_node("MatMul", ["last", "w2"], ["y"]),
        helper.make_node("MatMul", ["all", "w3"], ["z"]),
    ]
    stored = [weight("w1", 3, 5), weight("w2", out, 2), weight("w3", out, 2)]
    times = numpy_helper.from_array(np.array(3, np.int64), "times")
    return model(outer, [value("x", 4, 3)], [value("y", 4, 2), value("z", "steps", 4, 2)], [*stored, times])


def test_what_a_loop_carries_is_one_dim_inside_and_outside() -> None:
    for pruned in prove(loop(), [5]):
        step = next(a.g for node in pruned.graph.node for a in node.attribute if a.name == "body")
        rows, columns = step.initializer[0].dims
        assert rows == columns == step.input[2].type.tensor_type.shape.dim[1].dim_value


def scan() -> onnx.ModelProto:
    """A recurrence over the first axis of a sequence."""
    nodes = [
        helper.make_node("MatMul", ["x_t", "wx"], ["a"]),
        helper.make_node("MatMul", ["h_in", "wh"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["s"]),
        helper.make_node("Tanh", ["s"], ["h_out"]),
        helper.make_node("Identity", ["h_out"], ["y_t"]),
    ]
    inner = body(
        "step",
        nodes,
        [value("h_in", 4, 6), value("x_t", 4, 5)],
        [value("h_out", 4, 6), value("y_t", 4, 6)],
        [weight("wx", 5, 6), weight("wh", 6, 6)],
    )
    outer = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Scan", ["start", "h"], ["last", "all"], body=inner, num_scan_inputs=1),
        helper.make_node("MatMul", ["all", "w2"], ["y"]),
        helper.make_node("MatMul", ["last", "w3"], ["z"]),
    ]
    stored = [weight("w1", 3, 5), weight("w2", 6, 2), weight("w3", 6, 2), weight("start", 4, 6)]
    return model(outer, [value("x", 7, 4, 3)], [value("y", 7, 4, 2), value("z", 4, 2)], stored)


def scan_with_two_stacks() -> onnx.ModelProto:
    """A recurrence over the last axis: 6 wide in its state and what it stacks in front, 7 in what it stacks behind."""
    nodes = [
        helper.make_node("MatMul", ["x_t", "wa"], ["xa"]),
        helper.make_node("MatMul", ["x_t", "wb"], ["xb"]),
        helper.make_node("Add", ["xa", "a_in"], ["a_out"]),
        helper.make_node("Tanh", ["a_out"], ["a_t"]),
        helper.make_node("Tanh", ["xb"], ["b_t"]),
    ]
    inner = body(
        "step",
        nodes,
        [value("a_in", 4, 6), value("x_t", 4, 5)],
        [value("a_out", 4, 6), value("a_t", 4, 6), value("b_t", 4, 7)],
        [weight("wa", 5, 6), weight("wb", 5, 7)],
    )
    results = {"a_last": (4, 6), "a_all": (8, 4, 6), "b_all": (4, 8, 7)}
    outer = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Transpose", ["h"], ["h_last"], perm=[1, 2, 0]),
        helper.make_node(
            *("Scan", ["a_start", "h_last"], list(results)),
            body=inner,
            num_scan_inputs=1,
            scan_input_axes=[-1],
            scan_output_axes=[0, 1],
        ),
        *(helper.make_node("MatMul", [name, f"{name}_w"], [f"{name}_y"]) for name in results),
    ]
    stored = [weight("w1", 3, 5), weight("a_start", 4, 6)]
    stored += [weight(f"{name}_w", shape[-1], 2) for name, shape in results.items()]
    outputs = [value(f"{name}_y", *shape[:-1], 2) for name, shape in results.items()]
    return model(outer, [value("x", 8, 4, 3)], outputs, stored)


def test_scan_keeps_its_state_and_what_it_stacks_apart() -> None:
    prove(scan_with_two_stacks(), [5, 6, 7])


def test_scan_ties_its_state_and_passes_the_width_of_its_slices() -> None:
    prove(scan(), [5, 6])


def test_a_body_that_cannot_be_followed_freezes_what_it_reads_with_the_reason() -> None:
    proto = choice()
    proto.graph.node[1].domain = "acme"
    proto.opset_import.append(helper.make_opsetid("acme", 1))
    found = trace(Model(proto))
    assert [dim.size for dim in found.dims] == []
    why = [reason for use in found.uses for axis in use.axes for reason in reasons(axis)]
    assert any("no rule for operator acme::If" in reason for reason in why)


@pytest.mark.parametrize("twice", [False, True])
def test_model_local_functions_are_inlined_and_pruned(twice: bool) -> None:
    import onnxprune

    steps = [helper.make_node("Relu", ["a"], ["t"]), helper.make_node("Sin", ["t"], ["b"])]
    function = helper.make_function("local", "Act", ["a"], ["b"], steps, [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Act", ["h"], ["g"], domain="local"),
        *([helper.make_node("Act", ["g"], ["k"], domain="local")] if twice else []),
        helper.make_node("MatMul", ["k" if twice else "g", "w2"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "calls", [value("x", 4, 3)], [value("y", 4, 2)], [weight("w1", 3, 8), weight("w2", 8, 2)]
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    proto = helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=8)
    result = onnxprune.prune(proto, 0.5, calibration="none")
    assert result.report.params.after * 2 == result.report.params.before
    assert result.report.verified is not None and result.report.verified["mask_equals_slice"]


def loop_run(times: str) -> onnx.ModelProto:
    """The loop, run as often as an input or output of this name says: none, or one of those added here."""
    proto = loop()
    proto.graph.node[1].input[0] = times
    proto.graph.initializer.append(numpy_helper.from_array(np.array(np.iinfo(np.int64).max), "without end"))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(2**31), "beyond int32"))
    proto.graph.input.append(value("sequence", "steps", 2))
    proto.graph.input.append(value("given", dtype=TensorProto.INT64))
    index = numpy_helper.from_array(np.array(0, np.int64), "first")
    proto.graph.initializer.append(index)
    counted = [
        helper.make_node("Shape", ["sequence"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["steps of the sequence"]),
        helper.make_node("Add", ["steps of the sequence", "times"], ["three more"]),
    ]
    nodes = [*counted, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return proto


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("times", Fixed(3)),
        ("", Fixed(None, symbol="Loop 'last'")),
        ("without end", Fixed(None, symbol="Loop 'last'")),
        ("beyond int32", Fixed(None, symbol="Loop 'last'")),
        ("given", Fixed(None, symbol="Loop 'last'")),
        ("steps of the sequence", Fixed(None, symbol="steps")),
        ("three more", Fixed(None, symbol="Loop 'last'")),
    ],
)
def test_the_work_in_a_loop_counts_as_often_as_it_runs_at_most(times: str, expected: Fixed) -> None:
    found = trace(Model(loop_run(times)))
    (inside,) = [work for work in found.work if work.node.scope]
    assert inside.axes[0] == expected
    assert [dim.size for dim in found.dims] == [5]


@pytest.mark.parametrize(
    ("carried", "reason"),
    [
        (helper.make_node("Unsqueeze", ["m", "zero"], ["h_out"]), "its rank is not the same each time"),
        (helper.make_node("Concat", ["m", "m"], ["h_out"], axis=1), "its size is not the same each time"),
    ],
    ids=["rank", "size"],
)
def test_what_a_loop_carries_in_another_form_each_time_stays(carried: onnx.NodeProto, reason: str) -> None:
    proto = loop()
    inner = next(a.g for a in proto.graph.node[1].attribute if a.name == "body")
    inner.node[1].CopyFrom(carried)
    for info in (*inner.output, *inner.input, *proto.graph.output):
        info.type.tensor_type.ClearField("shape")
    proto.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    found = trace(Model(proto))
    assert found.dims == ()
    assert reason in frozen_reasons(found)
