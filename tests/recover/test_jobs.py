"""Which layers are repaired, which of their dense outputs are kept, and why others are left as they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net, branchy, plain
from onnx import TensorProto, helper
from repairs import by_name, convolutions, copied, every_other, grouped

from onnxprune.apply import apply_masks
from onnxprune.axes import Mask
from onnxprune.model import Model
from onnxprune.recover.jobs import Job, Jobs, find_jobs
from onnxprune.tracing import trace

Make = Callable[[], onnx.ModelProto]


def jobs_of(proto: onnx.ModelProto, masks: dict[str, Mask] | None = None) -> Jobs:
    found = trace(Model(proto))
    chosen = every_other(found) if masks is None else by_name(found, masks)
    return find_jobs(found, chosen, apply_masks(found, chosen)[0])


def names(jobs: Jobs) -> list[str]:
    return [job.dense.name for job in jobs.found]


def job(jobs: Jobs, name: str) -> Job:
    return next(job for job in jobs.found if job.dense.name == name)


def half(size: int) -> Mask:
    return np.arange(size) % 2 == 0


def test_layers_are_repaired_whose_inputs_pruning_changed() -> None:
    assert names(jobs_of(plain())) == ["conv2", "fc"]
    assert names(jobs_of(plain(), {"conv1.weight[0]": half(8)})) == ["conv2", "fc"]
    assert names(jobs_of(plain(), {"conv2.weight[0]": half(12)})) == ["fc"]


def test_what_is_behind_a_changed_layer_is_repaired_too() -> None:
    """`mix` reads both of a concatenation, of which one follows from what was pruned; `conv2` and `side` do not."""
    jobs = jobs_of(branchy(), {"side.weight[0]": half(6)})
    assert names(jobs) == ["mix", "from_left", "from_right", "fc"]


def test_masks_that_keep_everything_ask_for_nothing() -> None:
    jobs = jobs_of(plain(), {"conv1.weight[0]": np.ones(8, bool)})
    assert jobs.found == () and not jobs.left and jobs.added == ()


def test_a_job_knows_the_layer_in_both_models_and_which_outputs_are_left() -> None:
    jobs = jobs_of(plain())
    hidden, last = job(jobs, "conv2"), job(jobs, "fc")
    assert (hidden.dense.matrix_shape, hidden.pruned.matrix_shape) == ((1, 8, 12), (1, 4, 6))
    assert hidden.outs.tolist() == half(12).tolist() and hidden.groups.tolist() == [True]
    assert last.outs.all() and last.pruned.matrix_shape == (1, 6, 4)
    for each in jobs.found:
        dense, pruned = (layer.model.array(layer.model.constants[layer.weight]) for layer in (each.dense, each.pruned))
        kept = each.dense.matrix(dense)[each.groups][:, :, each.outs]
        assert kept[:, half(kept.shape[1])].tolist() == each.pruned.matrix(pruned).tolist()


def test_outputs_of_grouped_layers_are_kept_group_by_group() -> None:
    [hidden, last] = jobs_of(grouped()).found
    assert hidden.dense.matrix_shape == (2, 36, 4) and hidden.pruned.matrix_shape == (2, 18, 2)
    assert hidden.groups.tolist() == [True, True] and hidden.outs.tolist() == [True, False, True, False]
    assert last.dense.matrix_shape == (1, 8, 2)


def test_of_a_depthwise_layer_whole_groups_are_kept() -> None:
    net = Net()
    x = net.conv("deep", net.relu(net.conv("first", "x", 8)), 8, 3, group=8)
    jobs = jobs_of(net.model(net.head(net.relu(x))))
    assert job(jobs, "deep").groups.tolist() == half(8).tolist() and job(jobs, "deep").outs.tolist() == [True]


def test_room_that_was_made_is_there_in_the_pruned_layer() -> None:
    jobs = jobs_of(convolutions())
    [hidden, _] = jobs.found
    assert hidden.dense.bias is None and jobs.added == (f"{hidden.dense.output}_bias",)
    assert hidden.room is not None and hidden.room.constant == jobs.added[0]
    assert hidden.pruned.bias == ("", jobs.added[0])


# What is left as it is


def shared() -> onnx.ModelProto:
    g = Graph()
    x, w = g.input(2, 5), g.weight(8, 3)
    g.output(*(g.add("MatMul", g.linear(x, 8), w) for _ in range(2)))
    return g.model()


def shared_by_an_identity() -> onnx.ModelProto:
    g = Graph()
    x, w = g.input(2, 5), g.weight(8, 3)
    g.output(*(g.add("MatMul", g.linear(x, 8), name) for name in (w, g.add("Identity", w))))
    return g.model()


def activations() -> onnx.ModelProto:
    g = Graph()
    x = g.input(2, 4, 5)
    g.output(g.add("MatMul", g.linear(x, 8), g.transpose(g.linear(x, 8), 0, 2, 1)))
    return g.model()


def integers() -> onnx.ModelProto:
    g = Graph()
    stored = g.store(g.rng.integers(-99, 99, (8, 3)), np.int8)
    w = g.add("DequantizeLinear", stored, g.store(0.01, np.float32))
    g.output(g.add("MatMul", g.linear(g.input(2, 5), 8), w))
    return g.model()


def computed() -> onnx.ModelProto:
    g = Graph()
    w = g.add("Mul", g.weight(8, 3), g.store(0.5, np.float32))
    g.output(g.add("MatMul", g.linear(g.input(2, 5), 8), w))
    return g.model()


def einsum() -> onnx.ModelProto:
    g = Graph()
    g.output(g.add("Einsum", g.linear(g.input(2, 5), 8), g.weight(8, 3), equation="bi,io->bo"))
    return g.model()


def in_a_body() -> onnx.ModelProto:
    g = Graph()
    x = g.linear(g.input(2, 5), 8)
    w = g.weight(8, 3)
    bodies = [
        helper.make_graph(
            [helper.make_node("MatMul", [x, w], [f"{name}_out"], f"{name}_product")],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [2, 3])],
        )
        for name in ("yes", "no")
    ]
    condition = g.store(True, bool)
    g.output(g.add("If", condition, then_branch=bodies[0], else_branch=bodies[1]))
    return g.model()


def pruned_rows() -> onnx.ModelProto:
    """A product takes away rows, which a product from the other side then works on."""
    g = Graph()
    x = g.add("MatMul", g.weight(8, 4), g.input(4, 5))
    x = g.linear(x, 6)
    g.output(g.add("MatMul", g.weight(3, 8), x))
    return g.model()


REASONS: dict[Make, str] = {
    shared: "its weight serves several nodes",
    shared_by_an_identity: "its weight serves several nodes",
    activations: "two activations",
    integers: "stored in integers",
    computed: "computed in the graph",
    einsum: "Einsum",
    in_a_body: "body of a control-flow operator",
    pruned_rows: "rows",
}


@pytest.mark.parametrize("make", REASONS, ids=lambda make: make.__name__)
def test_what_cannot_be_repaired_is_named_with_the_reason(make: Make) -> None:
    jobs = jobs_of(make())
    assert jobs.left and all(REASONS[make] in reason for reason in jobs.left.values()), jobs.left
    assert not jobs.left.keys() & set(names(jobs))


def test_a_copy_for_each_user_can_be_repaired() -> None:
    """Two layers read one weight: where pruning takes other rows of it for each, each has its own now."""
    jobs = jobs_of(one_for_two_dims(), {"ones[0]": half(8), "ones[0]#2": ~half(8)})
    assert not jobs.left and names(jobs) == ["first_out", "second_out"]
    jobs = jobs_of(one_for_two_dims(), {"ones[0]": half(8), "ones[0]#2": half(8)})
    assert [*jobs.left] == ["first_out", "second_out"] and not jobs.found


def one_for_two_dims() -> onnx.ModelProto:
    """A weight that looks merged, as all its values are the same: it ties no dims together."""
    net = Net()
    outs = []
    net.store("ones", np.ones((8, 3), np.float32))
    for name in ("first", "second"):
        x = net.node("MatMul", ["x", net.store(f"{name}.weight", net.rng.normal(size=(5, 8)).astype(np.float32))], name)
        outs.append(net.node("MatMul", [x, "ones"], f"{name}_out"))
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3, 5, 3]) for name in outs]
    graph = helper.make_graph(net.nodes, "net", [net.input], infos, net.stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_rows_behind_a_choice_are_not_those_of_the_dense_model() -> None:
    """TopK sorts by values that pruning changes: a row of `behind` may be another one."""
    net = Net(batch=2)
    x = net.relu(net.conv("first", "x", 8))
    x = net.conv("second", x, 6)
    net.store("k", np.array([3], np.int64))
    net.nodes.append(helper.make_node("TopK", [x, "k"], ["best", "places"], "top", axis=-1))
    net.channels["best"] = 6
    jobs = jobs_of(net.model(net.head(net.conv("behind", "best", 5))), {"first.weight[0]": half(8)})
    assert {job.dense.name: job.aligned for job in jobs.found} == {"second": True, "behind": False, "fc": False}


def test_jobs_change_nothing_but_the_room_that_they_make() -> None:
    found = trace(Model(branchy()))
    masks = every_other(found)
    sliced, _ = apply_masks(found, masks)
    before = copied(sliced.proto)
    jobs = find_jobs(found, masks, sliced)
    assert jobs.added == () and sliced.proto == before
    assert found.model.proto == branchy()
