"""Names and order: whether everything that is read is there by then, and given once."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from onnxprune.errors import ModelError
from onnxprune.wellformed.attributes import bodies, check_attributes
from onnxprune.wellformed.declarations import check_value
from onnxprune.wellformed.operators import Operators
from onnxprune.wellformed.tensors import check_sparse, check_tensor
from onnxprune.wellformed.words import check_name, label, shown


class Scope:
    """The names that a graph gives, within those of the graph around it, if any.

    It `is_open` where the graph is for an operator that nobody knows: that may give it any name.
    """

    def __init__(self, around: Scope | None = None, is_in_function: bool = False, is_open: bool = False) -> None:
        self.around, self.is_in_function = around, is_in_function
        self.is_open: bool = is_open or (around is not None and around.is_open)
        self._own = set[str]()

    def __contains__(self, name: str) -> bool:
        return name in self._own or self.is_open or (self.around is not None and name in self.around)

    def gives(self, name: str) -> bool:
        """Whether the graph itself gives a name."""
        return name in self._own or self.is_open

    def add(self, name: str) -> None:
        """Add the name of a tensor. Raises `ModelError` where it cannot be one, or the graph gives it already."""
        if not check_name(name):
            raise ModelError("a tensor has no name")
        if name in self._own:
            raise ModelError(f"two tensors of one graph are called {shown(name)}")
        self._own.add(name)


def check_graph(graph: onnx.GraphProto, operators: Operators, scope: Scope) -> None:
    """Refuse a graph in which a name leads nowhere or to two things, or a part is not well-formed."""
    for info in graph.input:
        scope.add(info.name)
    _check_stored(graph, scope)
    _check_nodes(graph.node, operators, scope)
    for info in graph.output:
        if not scope.gives(info.name):
            raise ModelError(f"nothing in the graph gives its output {shown(info.name)}")
    for info in (*graph.input, *graph.output, *graph.value_info):
        check_value(info)


def check_function(function: onnx.FunctionProto, operators: Operators) -> None:
    """Refuse a function in which a name leads nowhere or to two things, or a part is not well-formed."""
    scope = Scope(is_in_function=True)
    try:
        for name in (function.name, function.domain):
            check_name(name)
        for name in function.input:
            scope.add(name)
        _check_nodes(function.node, operators, scope)
        for name in function.output:
            if name not in scope:
                raise ModelError(f"nothing in it gives its output {shown(name)}")
    except ModelError as error:
        raise ModelError(f"function {shown(function.name)}: {error}") from None


def _check_stored(graph: onnx.GraphProto, scope: Scope) -> None:
    """Add what is stored; in the main graph, an input may have the same name, whose default it is then."""
    defaults = {info.name for info in graph.input} if scope.around is None else set[str]()
    for tensor in graph.initializer:
        check_tensor(tensor, may_be_outside=not scope.is_in_function)
    for sparse in graph.sparse_initializer:
        check_sparse(sparse)
    names = [tensor.name for tensor in graph.initializer]
    names += [sparse.values.name for sparse in graph.sparse_initializer]
    for name in names:
        if name in defaults:
            defaults.remove(name)
        else:
            scope.add(name)


def _check_nodes(nodes: Sequence[onnx.NodeProto], operators: Operators, scope: Scope) -> None:
    for place, node in enumerate(nodes):
        try:
            _check_node(node, operators, scope)
        except ModelError as error:
            raise ModelError(f"{label(node, place)}: {error}") from None


def _check_node(node: onnx.NodeProto, operators: Operators, scope: Scope) -> None:
    for name in (node.name, node.domain, node.op_type):
        check_name(name)
    if not node.op_type:
        raise ModelError("it has no operator")
    check_attributes(node, scope.is_in_function)
    is_known = operators.check(node)
    for name in node.input:
        if name and name not in scope:
            raise ModelError(f"it reads {shown(name)}, which no node before it gives, nor anything else")
    for body in bodies(node):
        check_graph(body, operators, Scope(scope, scope.is_in_function, is_open=not is_known))
    for name in node.output:
        if name:
            scope.add(name)
