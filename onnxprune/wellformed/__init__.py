"""The gate: what is not a well-formed model is refused when it is read, with one line that names the place.

Everything behind it may take for granted that names lead somewhere, that tensors hold what they say, and that nodes
have the inputs and attributes of their operators. onnx's own checker asks for more than models in use give (known
operators and domains alone, versions that fit each other), and it copies all weights; so it is not used.

`graphs` is about names and order, `attributes` and `operators` about nodes, `tensors` about stored values,
`declarations` about versions and types, `calls` about functions, `lists` about what takes all memory to follow.
"""

from __future__ import annotations

import onnx

from onnxprune.wellformed.calls import check_calls
from onnxprune.wellformed.declarations import check_versions
from onnxprune.wellformed.graphs import Scope, check_function, check_graph
from onnxprune.wellformed.lists import check_lists
from onnxprune.wellformed.operators import Operators


def check_form(proto: onnx.ModelProto) -> None:
    """Refuse what is not a well-formed model. Raises `ModelError` that says where, without the name of the file."""
    check_versions(proto)
    check_calls(proto)
    operators = Operators(proto.opset_import, proto.functions)
    for function in proto.functions:
        check_function(function, Operators(function.opset_import, proto.functions))
    check_graph(proto.graph, operators, Scope())
    check_lists(proto.graph)


__all__ = ["check_form"]
