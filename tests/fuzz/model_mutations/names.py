"""Names that lead nowhere, lead to two things, or are no names."""

from __future__ import annotations

from random import Random

import onnx
from drafts import Draft

from model_mutations.registry import graphs, infos, initializers, mutation, nodes, pick

ODD = {
    "": "no name",
    " ": "a space",
    "a\nb": "two lines",
    "\x1b[31mred\x1b[0m\x07": "colours of a terminal",
    "\0": "a zero byte",
    "../../secret": "a way up",
    "/etc/passwd": "a path",
    "[bold]x[/bold] [/]": "markup",
    "%s%n{0}${HOME}`id`": "formats",
    "\u202ename\u2066": "right to left",
    "0.then_branch/": "a scope",
    "é" * 300: "long, not ASCII",
    "n" * 1_000_000: "a megabyte",
}


def renamed(draft: Draft, old: str, new: str) -> None:
    """Give a tensor another name wherever it is used."""
    for graph in graphs(draft)[1:]:
        for thing in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            thing.name = new if thing.name == old else thing.name
    for node in nodes(draft):
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = new if name == old else name


def _values(draft: Draft) -> list[str]:
    found = [name for node in nodes(draft) for name in (*node.input, *node.output) if name]
    return list(dict.fromkeys(found))


@mutation
def a_dangling_input(draft: Draft, rng: Random) -> None:
    names = pick(rng, [node.input for node in nodes(draft) if node.input])
    names[rng.randrange(len(names))] = "nowhere"


@mutation
def a_dangling_output_of_a_graph(draft: Draft, rng: Random) -> None:
    pick(rng, pick(rng, graphs(draft)).output).name = "nowhere"


@mutation
def a_cycle(draft: Draft, rng: Random) -> None:
    readers = [node for node in nodes(draft) if node.input]
    node = pick(rng, readers)
    node.input[0] = pick(rng, [name for later in nodes(draft) for name in later.output])


@mutation
def a_node_that_reads_itself(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if node.input and node.output])
    node.input[rng.randrange(len(node.input))] = node.output[0]


@mutation
def nodes_in_another_order(draft: Draft, rng: Random) -> None:
    graph = rng.choice(graphs(draft))
    order = list(graph.node)
    rng.shuffle(order)
    del graph.node[:]
    graph.node.extend(order)


@mutation
def two_tensors_of_one_name(draft: Draft, rng: Random) -> None:
    first, second = pick(rng, _values(draft)), pick(rng, _values(draft))
    renamed(draft, first, second)


@mutation
def two_nodes_of_one_name(draft: Draft, rng: Random) -> None:
    for node in nodes(draft):
        node.name = "the same"


@mutation
def two_nodes_with_one_output(draft: Draft, rng: Random) -> None:
    writers = [node for node in nodes(draft) if node.output]
    pick(rng, writers).output[0] = pick(rng, writers).output[0]


@mutation
def one_output_twice_in_a_node(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if node.output])
    node.output.append(node.output[0])


@mutation
def two_initializers_of_one_name(draft: Draft, rng: Random) -> None:
    graph = draft.proto.graph
    copy = onnx.TensorProto()
    copy.CopyFrom(pick(rng, graph.initializer))
    copy.name = pick(rng, graph.initializer).name
    graph.initializer.append(copy)


@mutation
def an_initializer_that_a_node_computes_as_well(draft: Draft, rng: Random) -> None:
    pick(rng, initializers(draft)).name = pick(rng, [name for node in nodes(draft) for name in node.output])


@mutation
def an_odd_name_of_a_tensor(draft: Draft, rng: Random) -> None:
    renamed(draft, pick(rng, _values(draft)), rng.choice(list(ODD)))


@mutation
def an_odd_name_of_a_node(draft: Draft, rng: Random) -> None:
    pick(rng, nodes(draft)).name = rng.choice(list(ODD))


@mutation
def an_odd_name_of_an_operator(draft: Draft, rng: Random) -> None:
    node = pick(rng, nodes(draft))
    if rng.random() < 0.5:
        node.op_type = rng.choice(list(ODD))
    else:
        node.domain = rng.choice(list(ODD))


@mutation
def an_odd_name_of_an_axis(draft: Draft, rng: Random) -> None:
    dims = [dim for info in infos(draft) for dim in info.type.tensor_type.shape.dim]
    pick(rng, dims).dim_param = rng.choice([*ODD, "-1", "unk__0", "2*batch", "a*b*c", "*", "3"])


@mutation
def an_odd_name_of_an_attribute(draft: Draft, rng: Random) -> None:
    pick(rng, [a for node in nodes(draft) for a in node.attribute]).name = rng.choice(list(ODD))


@mutation
def a_name_that_is_no_text(draft: Draft, rng: Random) -> None:
    """Bytes that are not UTF-8, where protobuf has to find text."""
    name = pick(rng, [name for name in _values(draft) if len(name) > 1]).encode()
    draft.data = draft.content().replace(name, b"\xff\xfe" + name[2:])


@mutation
def a_name_of_the_outside_inside_a_body(draft: Draft, rng: Random) -> None:
    bodies = graphs(draft)[2:]
    inner = pick(rng, [names for body in bodies for node in body.node for names in (node.output, node.input) if names])
    inner[0] = pick(rng, _values(draft))
    body = pick(rng, bodies)
    for info in (*body.input, *body.output):
        if rng.random() < 0.3:
            info.name = pick(rng, _values(draft))


@mutation
def an_initializer_that_is_an_input(draft: Draft, rng: Random) -> None:
    graph = draft.proto.graph
    tensor = pick(rng, graph.initializer)
    dims = [*tensor.dims, *([3] * rng.randrange(2))]
    graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, dims))


@mutation
def an_input_twice(draft: Draft, rng: Random) -> None:
    graph = rng.choice(graphs(draft))
    graph.input.append(pick(rng, graph.input))


@mutation
def an_output_twice(draft: Draft, rng: Random) -> None:
    graph = rng.choice(graphs(draft))
    graph.output.append(pick(rng, graph.output))


@mutation
def an_output_that_is_an_input(draft: Draft, rng: Random) -> None:
    graph = rng.choice(graphs(draft))
    graph.output.append(pick(rng, graph.input))


@mutation
def an_output_that_is_stored(draft: Draft, rng: Random) -> None:
    graph = draft.proto.graph
    tensor = pick(rng, graph.initializer)
    graph.output.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))


@mutation
def an_output_that_is_no_end(draft: Draft, rng: Random) -> None:
    draft.proto.graph.output.append(onnx.ValueInfoProto(name=pick(rng, _values(draft))))


@mutation
def no_outputs(draft: Draft, rng: Random) -> None:
    del rng.choice(graphs(draft)).output[:]


@mutation
def no_inputs(draft: Draft, rng: Random) -> None:
    del rng.choice(graphs(draft)).input[:]


@mutation
def no_initializers(draft: Draft, rng: Random) -> None:
    del rng.choice(graphs(draft)).initializer[:]


@mutation
def an_initializer_missing(draft: Draft, rng: Random) -> None:
    graph = rng.choice(graphs(draft))
    graph.initializer.remove(pick(rng, graph.initializer))


@mutation
def an_initializer_that_nothing_reads(draft: Draft, rng: Random) -> None:
    draft.proto.graph.initializer.append(onnx.helper.make_tensor("spare", 1, [2], [1, 2]))
