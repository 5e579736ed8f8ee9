"""What pruning in place has to leave as it was: everything but the values of some weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import onnx
from google.protobuf.message import Message
from onnx import AttributeProto

from onnxprune.errors import VerificationError
from onnxprune.model import Model

NOTES = {"dims", "data_type", "name", "doc_string", "metadata_props"}
"""The fields of a stored tensor that are not its values or where these are."""


def broken(where: str, what: str) -> VerificationError:
    """Return the error that says what is not as it was promised."""
    return VerificationError(
        f"{where}: {what}; this is a mistake of onnxprune's, nothing was written; please report it"
    )


def check_structure(dense: Model, pruned: Model, added: Collection[str]) -> None:
    """Compare all but the values and places of stored tensors: nodes, attributes, names, types, notes, and their order.

    Of the pruned model, nodes may read constants that were `added` where they read another or none before. Raises
    `VerificationError` at the first difference.
    """
    _same_fields(dense.proto, pruned.proto, "the model", {"graph"})
    _same_graph(dense.proto.graph, pruned.proto.graph, "the graph", added)


def same_kind(dense: onnx.TensorProto, pruned: onnx.TensorProto, where: str) -> None:
    """Compare what is noted with a stored tensor besides its values. Raises `VerificationError`."""
    _same_fields(dense, pruned, where, {field.name for field in dense.DESCRIPTOR.fields} - NOTES)


def _same_graph(dense: onnx.GraphProto, pruned: onnx.GraphProto, where: str, added: Collection[str]) -> None:
    _same_fields(dense, pruned, where, {"node", "initializer", "input"})
    inputs = [info for info in pruned.input if info.name not in added]  # before version 4 of the format they are here
    if inputs != list(dense.input):
        raise _changed(where, "inputs")
    stored = [tensor.name for tensor in pruned.initializer if tensor.name not in added]
    if stored != [tensor.name for tensor in dense.initializer]:
        raise _changed(where, "list of stored tensors")
    if len(dense.node) != len(pruned.node):
        raise _changed(where, "number of nodes")
    for before, after in zip(dense.node, pruned.node, strict=True):
        if before != after:
            _same_node(before, after, f"node '{before.name or ', '.join(before.output)}'", added)


def _same_node(dense: onnx.NodeProto, pruned: onnx.NodeProto, where: str, added: Collection[str]) -> None:
    _same_fields(dense, pruned, where, {"input", "attribute"})
    if not _same_inputs(dense.input, pruned.input, added):
        raise _changed(where, "inputs")
    if len(dense.attribute) != len(pruned.attribute):
        raise _changed(where, "attributes")
    for before, after in zip(dense.attribute, pruned.attribute, strict=True):
        what = f"attribute '{before.name}' of {where}"
        is_stored = dense.op_type == "Constant" and before.type == AttributeProto.TENSOR
        _same_fields(before, after, what, {"g"} | ({"t"} if is_stored else set()))
        _same_graph(before.g, after.g, what, added)


def _same_inputs(dense: Sequence[str], pruned: Sequence[str], added: Collection[str]) -> bool:
    """Whether a node reads what it read, or something added instead of it or behind it, where gaps are left empty."""
    if len(pruned) < len(dense):
        return False
    more = [""] * (len(pruned) - len(dense))
    return all(name in added or name == before for name, before in zip(pruned, [*dense, *more], strict=True))


def _same_fields(dense: Message, pruned: Message, where: str, but: Collection[str]) -> None:
    for field in dense.DESCRIPTOR.fields:
        if field.name not in but and getattr(dense, field.name) != getattr(pruned, field.name):
            raise _changed(where, field.name)


def _changed(where: str, what: str) -> VerificationError:
    return broken(where, f"its {what} changed, and only the values of weights may")
