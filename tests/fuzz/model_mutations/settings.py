"""Attributes that are missing, of another kind, or out of range."""

from __future__ import annotations

from random import Random

import onnx
from drafts import Draft
from onnx import AttributeProto, TensorProto, helper

from model_mutations.registry import attributes, mutation, nodes, pick

ODD = [0, 1, -1, 2, 3, 5, 7, 100, -100, 2**31, 2**40, 2**63 - 1, -(2**63)]
KNOWN = {
    "axis": ODD,
    "group": ODD,
    "keepdims": ODD,
    "transA": ODD,
    "transB": ODD,
    "hidden_size": ODD,
    "to": [0, 99, 8, 7, 16, -1],
    "perm": [[0], [0, 0], [1, 0], [5, 6], [-1, 0, 1, 2], [0, 1, 2, 3, 4, 5], []],
    "kernel_shape": [[], [3], [1, 1, 1], [0, 0], [-1, 3], [2**40, 1], [2**31, 2**31]],
    "strides": [[], [0, 0], [-1, -1], [1], [2**40, 2**40], [1, 1, 1]],
    "dilations": [[], [0, 0], [-1, -1], [1], [2**40, 2**40]],
    "pads": [[], [1], [-5, -5, -5, -5], [2**40] * 4, [1] * 6, [2**62] * 4],
    "auto_pad": ["", "SAME_UPPER", "nonsense", "VALID"],
    "direction": ["", "reverse", "bidirectional", "sideways"],
    "activations": [[], ["Tanh"], ["nonsense"] * 3, ["Relu", "Relu", "Relu"]],
    "epsilon": [0.0, -1.0, float("nan"), float("inf")],
    "axes": [[], [0, 0], [9], [-9], [1], [2**40]],
    "split": [[], [1], [0, 0], [-4, 12], [2**40, 1], [5, 5]],
    "output_padding": [[], [9, 9], [-1, -1]],
    "output_shape": [[], [0, 0], [-1, -1], [2**40, 1]],
    "num_scan_inputs": ODD,
    "block_size": ODD,
    "allowzero": ODD,
    "mode": ["", "nonsense"],
    "equation": ["", "ij,jk->ik", "->", "...", "i" * 60 + "->"],
}
"""Attribute -> values that do not fit, mostly."""

ANY = [0, -1, 2.5, "text", b"\xff\xfe", [], [1, 2, 3], [0.5], ["a", "b"], 2**40]


@mutation
def an_attribute_out_of_range(draft: Draft, rng: Random) -> None:
    attribute = pick(rng, [a for a in attributes(draft) if a.name in KNOWN])
    _set(attribute, rng.choice(KNOWN[attribute.name]))


@mutation
def an_attribute_that_was_not_there(draft: Draft, rng: Random) -> None:
    node = pick(rng, nodes(draft))
    name = rng.choice(list(KNOWN))
    node.attribute.append(_made(name, rng.choice(KNOWN[name])))


@mutation
def an_attribute_of_another_kind(draft: Draft, rng: Random) -> None:
    _set(pick(rng, attributes(draft)), rng.choice(ANY))


@mutation
def an_attribute_missing(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if node.attribute])
    node.attribute.pop(rng.randrange(len(node.attribute)))


@mutation
def an_attribute_twice(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if node.attribute])
    node.attribute.append(rng.choice(list(node.attribute)))
    if rng.random() < 0.5:
        _set(node.attribute[-1], rng.choice(ANY))


@mutation
def an_attribute_that_says_another_type(draft: Draft, rng: Random) -> None:
    """The field that is filled is not the one of the type."""
    pick(rng, attributes(draft)).type = rng.choice(range(15))


@mutation
def an_attribute_without_a_type(draft: Draft, rng: Random) -> None:
    for attribute in attributes(draft):
        attribute.ClearField("type")


@mutation
def an_attribute_without_a_value(draft: Draft, rng: Random) -> None:
    attribute = pick(rng, attributes(draft))
    attribute.CopyFrom(AttributeProto(name=attribute.name, type=attribute.type))


@mutation
def an_attribute_that_refers_to_one_of_a_function(draft: Draft, rng: Random) -> None:
    pick(rng, attributes(draft)).ref_attr_name = rng.choice(["alpha", "value", ""])


@mutation
def an_attribute_that_is_a_graph(draft: Draft, rng: Random) -> None:
    attribute = pick(rng, attributes(draft))
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "body", [], [])
    _set(attribute, rng.choice([body, [body, body]]))


@mutation
def an_attribute_that_is_a_tensor(draft: Draft, rng: Random) -> None:
    tensors = [TensorProto(), helper.make_tensor("t", TensorProto.FLOAT, [2], [1, 2])]
    _set(pick(rng, attributes(draft)), rng.choice([*tensors, tensors]))


@mutation
def a_constant_of_an_odd_kind(draft: Draft, rng: Random) -> None:
    """The attributes that a Constant may have instead of `value`, on tensors that were initializers."""
    graph = draft.proto.graph
    tensor = pick(rng, graph.initializer)
    graph.initializer.remove(tensor)
    kinds = {
        "value_int": 3,
        "value_ints": [1, 2],
        "value_float": 0.5,
        "value_floats": [0.5] * 8,
        "value_string": "text",
        "value_strings": ["a", "b"],
        "sparse_value": onnx.SparseTensorProto(),
        "value": tensor,
    }
    chosen = rng.sample(list(kinds), rng.choice([0, 1, 1, 1, 2]))
    values = {name: kinds[name] for name in chosen}
    graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], **values))


@mutation
def a_constant_without_an_output(draft: Draft, rng: Random) -> None:
    value = helper.make_tensor("t", TensorProto.FLOAT, [2], [1, 2])
    outputs: list[str] = rng.choice([[], [""], ["one", "two"]])
    draft.proto.graph.node.insert(0, helper.make_node("Constant", [], outputs, value=value))


def _set(attribute: AttributeProto, value: object) -> None:
    attribute.CopyFrom(_made(attribute.name, value))


def _made(name: str, value: object) -> AttributeProto:
    if value == []:
        return AttributeProto(name=name, type=AttributeProto.INTS)
    return helper.make_attribute(name, value)
