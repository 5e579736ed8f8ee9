"""Applying masks: a new model with every weight sliced and every number that was a size rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxprune.axes import Dim, Expr, Mask, free_dims, keep
from onnxprune.cost import Counts
from onnxprune.model import ConstantKey, Model, NodeKey, enclosing_scopes
from onnxprune.record import Slot, Use
from onnxprune.sizes import Size
from onnxprune.tracing import Trace, display_name

DEFAULT_EPSILON = 1e-5
"""Of LayerNormalization and RMSNormalization."""


@dataclass
class Changes:
    """What was changed, in terms of names in the file: the part of a plan that needs no dims to be read."""

    keep: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    sizes: list[dict[str, Any]] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Variant:
    """One way in which a constant is needed: kept positions per axis and new values of single elements."""

    kept: tuple[tuple[int, bytes], ...] = ()
    elements: tuple[tuple[int, int], ...] = ()


def apply_masks(trace: Trace, masks: Mapping[Dim, Mask]) -> tuple[Model, Changes]:
    """Return a new model in which the units that `masks` drop are gone, and what was changed.

    The traced model is left as it is; what does not depend on a shrunk dim is copied unchanged.
    """
    editor = _Editor(trace, masks)
    editor.rewrite_constants()
    editor.replace_computed_sizes()
    editor.rewrite_attributes()
    editor.supply_inputs()
    editor.pin_attributes()
    editor.drop_inputs()
    editor.correct_norms()
    editor.correct_means()
    editor.rewrite_shapes()
    editor.insert_nodes()
    return Model(editor.proto, trace.model.path), editor.changes


class _Editor:
    """The new model while it is made."""

    def __init__(self, trace: Trace, masks: Mapping[Dim, Mask]) -> None:
        self.trace = trace
        self.masks = {dim: mask for dim, mask in masks.items() if not mask.all()}
        self.counts: Counts = {dim: int(mask.sum()) for dim, mask in self.masks.items()}
        self.changes = Changes()
        self.after: dict[NodeKey, onnx.NodeProto] = {}
        self.elements = self._new_elements()
        self.variants = self._variants()
        self.proto = _copy_without_weights(trace.model.proto)
        self.model = Model(self.proto, trace.model.path)
        self.names = {name for graph in self.model.graphs.values() for name in _names(graph)}
        self.names |= {tensor.name for tensor in trace.model.proto.graph.initializer}

    def _shrinks(self, expr: Expr) -> bool:
        return any(dim in self.masks for dim in free_dims(expr))

    def _variants(self) -> dict[ConstantKey, dict[_Variant, list[Use]]]:
        """Per constant, the different ways in which its uses need it."""
        elements = self.elements
        variants: dict[ConstantKey, dict[_Variant, list[Use]]] = {}
        for use in self.trace.uses:
            kept = tuple(
                (axis, keep(expr, self.masks).tobytes()) for axis, expr in enumerate(use.axes) if self._shrinks(expr)
            )
            variant = _Variant(kept, tuple(sorted(elements.get(use.slot, {}).items())))
            variants.setdefault(use.constant, {}).setdefault(variant, []).append(use)
        return variants

    def _new_elements(self) -> dict[Slot, dict[int, int]]:
        """Return, per use of a constant that holds sizes, the elements that get another value."""
        elements: dict[Slot, dict[int, int]] = {}
        for follow in self.trace.record.follows:
            source = follow.given.source if follow.given is not None else None
            if follow.given is None or source is None:
                continue
            scale = source.scale or Size.of(1)
            wanted, given = follow.wanted.divided_by(scale), follow.given.divided_by(scale)
            new = None if wanted is None else wanted.under(self.counts)
            if new is not None and given is not None and new != given.under(self.counts):
                elements.setdefault((source.node, source.slot), {})[source.element] = new
        return elements

    def rewrite_constants(self) -> None:
        """Write every constant back, in as many versions as it is needed in."""
        for scope, source in self.trace.model.graphs.items():
            graph = self.model.graphs[scope]
            del graph.initializer[:]
            for tensor in source.initializer:
                self._rewrite_initializer(graph, (scope, tensor.name), tensor)
            for node in list(graph.node):
                if node.op_type == "Constant" and (scope, node.output[0]) in self.variants:
                    self._rewrite_constant_node(graph, (scope, node.output[0]), node)
        self._rewrite_initializer_inputs()

    def _rewrite_initializer(self, graph: onnx.GraphProto, key: ConstantKey, tensor: onnx.TensorProto) -> None:
        versions = list(self._versions(key))
        if not versions:
            graph.initializer.append(tensor)
        for name, variant, uses in versions:
            graph.initializer.append(self._made(key, variant, name))
            self._rewire(uses, tensor.name, name)

    def _rewrite_constant_node(self, graph: onnx.GraphProto, key: ConstantKey, node: onnx.NodeProto) -> None:
        for name, variant, uses in self._versions(key):
            if name != key[1]:
                graph.initializer.append(self._made(key, variant, name))
                self._rewire(uses, key[1], name)
            elif variant != _Variant():
                del node.attribute[:]
                node.attribute.append(onnx.helper.make_attribute("value", self._made(key, variant, "")))

    def _versions(self, key: ConstantKey) -> Iterator[tuple[str, _Variant, list[Use]]]:
        """Yield the versions of a constant; the unchanged one, or else the first, keeps the name."""
        variants = self.variants.get(key, {})
        keeper = _Variant() if _Variant() in variants else next(iter(variants), None)
        for variant, uses in variants.items():
            name = key[1]
            if variant != keeper:
                name = self._new_name(key[1])
                self.changes.copies[name] = display_name(key)
            yield name, variant, uses

    def _new_name(self, name: str) -> str:
        n = 2
        while f"{name}_{n}" in self.names:
            n += 1
        self.names.add(f"{name}_{n}")
        return f"{name}_{n}"

    def _made(self, key: ConstantKey, variant: _Variant, name: str) -> onnx.TensorProto:
        tensor = self.trace.model.constants[key]
        if variant == _Variant():
            made = onnx.TensorProto()
            made.CopyFrom(tensor)
        else:
            values = self._sliced(key, variant, name)
            made = numpy_helper.from_array(values)
            made.data_type = tensor.data_type
            made.doc_string = tensor.doc_string
        made.name = name
        return made

    def _sliced(self, key: ConstantKey, variant: _Variant, name: str) -> NDArray[Any]:
        values = self.trace.model.array(self.trace.model.constants[key])
        label = name or display_name(key)
        for axis, packed in variant.kept:
            kept = np.flatnonzero(np.frombuffer(packed, bool))
            values = values.take(kept, axis)
            self.changes.keep.setdefault(label, {})[str(axis)] = kept.tolist()
        if variant.elements:
            values = np.array(values)
            for place, new in variant.elements:
                where = f"{label}[{place}]" if values.ndim else label
                self.changes.sizes.append({"where": where, "old": int(values.flat[place]), "new": new})
                values.flat[place] = new
        return np.ascontiguousarray(values).reshape(values.shape)

    def _rewire(self, uses: list[Use], old: str, new: str) -> None:
        for use in uses if new != old else ():
            key, slot = use.slot
            self.model.node(key).input[slot] = new

    def _rewrite_initializer_inputs(self) -> None:
        """Before IR version 4 every initializer is an input too, and has to have the same shape there."""
        shapes = {tensor.name: tuple(tensor.dims) for tensor in self.proto.graph.initializer}
        for info in self.proto.graph.input:
            if info.name in shapes and info.type.tensor_type.HasField("shape"):
                for dim, length in zip(info.type.tensor_type.shape.dim, shapes[info.name], strict=False):
                    dim.dim_value = length

    def replace_computed_sizes(self) -> None:
        """Put a constant where a computed size no longer follows what it should."""
        stored = {use.slot for use in self.trace.uses}
        for slot, elements in self.elements.items():
            if slot in stored:
                continue
            content = self.trace.record.contents[slot]
            sizes = [entry.resolve(self.trace.axes).under(self.counts) for entry in content.ravel()]
            values = np.array([elements.get(place, size) for place, size in enumerate(sizes)], np.int64)
            node = self.model.node(slot[0])
            old = node.input[slot[1]]
            name = self._new_name(f"{old}_pruned")
            self.proto.graph.initializer.append(numpy_helper.from_array(values.reshape(content.shape), name))
            node.input[slot[1]] = name
            dense = [entry.dense for entry in content.ravel()]
            self.changes.sizes.append({"where": old, "old": dense, "new": values.tolist()})

    def rewrite_attributes(self) -> None:
        """Set integer attributes that follow a size."""
        absent: dict[tuple[NodeKey, str], dict[int, Size]] = {}
        for follow in self.trace.record.attributes:
            wanted = follow.wanted.resolve(self.trace.axes)
            node = self.model.node(follow.node)
            attribute = next((a for a in node.attribute if a.name == follow.name), None)
            if attribute is None:
                absent.setdefault((follow.node, follow.name), {})[follow.place or 0] = wanted
            elif wanted.under(self.counts) != wanted.dense:
                self._set_attribute(node, attribute, follow.place, wanted)
        for (key, name), sizes in absent.items():
            values = [sizes[place].under(self.counts) for place in sorted(sizes)]
            if values != [sizes[place].dense for place in sorted(sizes)]:
                self.model.node(key).attribute.append(onnx.helper.make_attribute(name, values))

    def _set_attribute(
        self, node: onnx.NodeProto, attribute: onnx.AttributeProto, place: int | None, wanted: Size
    ) -> None:
        new = wanted.under(self.counts)
        assert new is not None
        where = f"{node.name or node.output[0]}.{attribute.name}" + ("" if place is None else f"[{place}]")
        old = attribute.i if place is None else attribute.ints[place]
        self.changes.sizes.append({"where": where, "old": int(old), "new": new})
        if place is None:
            attribute.i = new
        else:
            attribute.ints[place] = new

    def supply_inputs(self) -> None:
        """Give nodes the sizes that they took for granted, such as Split into equal parts."""
        for follow in self.trace.record.inputs:
            wanted = [size.resolve(self.trace.axes) for size in follow.wanted]
            new = [size.under(self.counts) for size in wanted]
            if new == [size.dense for size in wanted]:
                continue
            key, slot = follow.slot
            node = self.model.node(key)
            name = self._new_name(f"{node.name or node.output[0]}_sizes")
            self.proto.graph.initializer.append(numpy_helper.from_array(np.array(new, np.int64), name))
            node.input.extend([""] * (slot + 1 - len(node.input)))
            node.input[slot] = name
            for place, attribute in enumerate(node.attribute):
                if attribute.name == follow.instead_of:
                    del node.attribute[place]
                    break
            self.changes.sizes.append({"where": name, "old": None, "new": new})

    def pin_attributes(self) -> None:
        """Give attributes whose default is computed from a size that shrinks their dense value."""
        for pin in self.trace.record.pins:
            if self._differs(pin.size):
                node = self.model.node(pin.node)
                node.attribute.append(onnx.helper.make_attribute(pin.name, pin.value))
                where = f"{node.name or node.output[0]}.{pin.name}"
                self.changes.sizes.append({"where": where, "old": None, "new": pin.value})

    def drop_inputs(self) -> None:
        """Leave out optional inputs that are as the operator assumes, and what computed nothing else."""
        dropped: list[str] = []
        for drop in self.trace.record.drops:
            if self._differs(drop.size):
                key, slot = drop.slot
                node = self.model.node(key)
                where = f"{node.name or node.output[0]}.inputs[{slot}]"
                self.changes.sizes.append({"where": where, "old": node.input[slot], "new": None})
                dropped.append(node.input[slot])
                node.input[slot] = ""
        self._remove_unused(dropped)

    def _remove_unused(self, names: list[str]) -> None:
        """Remove the nodes that compute only `names`, where nobody reads them, and so on upwards."""
        while names:
            above: list[str] = []
            for graph in self.model.graphs.values():
                above += _remove_from(graph, set(names) - self._read())
            names = above

    def _read(self) -> set[str]:
        """Return the names that any node or output reads, and those of the graph's inputs."""
        bodies = self.model.graphs.values()
        read = {name for body in bodies for node in body.node for name in node.input}
        return read | {info.name for body in bodies for info in (*body.output, *body.input)}

    def _differs(self, size: Size) -> bool:
        wanted = size.resolve(self.trace.axes)
        return wanted.under(self.counts) != wanted.dense

    def correct_norms(self) -> None:
        """Let RMS norms over fewer units give what they gave when the removed units were zero.

        With n units of which n' are kept, x / sqrt(sum(x^2) / n + eps) = f x / sqrt(sum(x^2) / n' + f^2 eps) with
        f = sqrt(n / n'): the factor goes into the scale.
        """
        for norm in self.trace.record.norms:
            if not norm.is_rms or not self._shrinks(norm.axis):
                continue
            node, size = self.model.node(norm.node), Size.along(norm.axis)
            ratio = _known(size.dense) / _known(size.under(self.counts))
            epsilon = next((a for a in node.attribute if a.name == "epsilon"), None)
            if epsilon is None:
                node.attribute.append(onnx.helper.make_attribute("epsilon", DEFAULT_EPSILON * ratio))
            else:
                epsilon.f *= ratio
            if not self._scale_constant(norm.node, norm.scale, ratio**0.5):
                self._scale_output(norm.node, ratio**0.5)

    def correct_means(self) -> None:
        """Let means over fewer units give what they gave when the removed units were zero: times kept / size."""
        for mean in self.trace.record.means:
            share = 1.0
            for axis in mean.axes:
                size = Size.along(axis)
                share *= _known(size.under(self.counts)) / _known(size.dense)
            if share != 1:
                self._scale_output(mean.node, share)

    def _scale_constant(self, key: NodeKey, slot: int, factor: float) -> bool:
        """Multiply a constant that only one node reads; False where it is not such a constant."""
        name = self.model.node(key).input[slot]
        readers = sum(name in node.input for graph in self.model.graphs.values() for node in graph.node)
        constants = Model(self.proto).constants
        found = [scope for scope in enclosing_scopes(key.scope) if (scope, name) in constants]
        if readers != 1 or not found:
            return False
        tensor = constants[found[0], name]
        values = self.model.array(tensor)
        scaled = numpy_helper.from_array((values * factor).astype(values.dtype), tensor.name)
        scaled.doc_string = tensor.doc_string
        tensor.CopyFrom(scaled)
        self.changes.recovered.append(name)
        return True

    def _scale_output(self, key: NodeKey, factor: float) -> None:
        """Put a Mul behind the first output of a node; in the order of nodes it comes right after it."""
        node = self.model.node(key)
        output = node.output[0]
        elem_type = self.trace.types.get(f"{key.scope}{output}") or onnx.TensorProto.FLOAT
        dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type)
        name, inner = self._new_name(f"{output}_factor"), self._new_name(f"{output}_unscaled")
        self.proto.graph.initializer.append(numpy_helper.from_array(np.array(factor, dtype), name))
        node.output[0] = inner
        self.after[key] = onnx.helper.make_node("Mul", [inner, name], [output], name=f"{name}_Mul")
        self.changes.added.append(f"{name}_Mul")

    def insert_nodes(self) -> None:
        """Place the added nodes; bodies before the graphs that hold them, since placing copies the nodes."""
        for scope in sorted({key.scope for key in self.after}, key=len, reverse=True):
            graph = self.model.graphs[scope]
            nodes = list(graph.node)
            del graph.node[:]
            for index, node in enumerate(nodes):
                graph.node.append(node)
                if (added := self.after.get(NodeKey(scope, index))) is not None:
                    graph.node.append(added)

    def rewrite_shapes(self) -> None:
        """Bring the declared shapes of constants and intermediate tensors up to date."""
        constants = Model(self.proto).constants
        for scope, graph in self.model.graphs.items():
            for info in (*graph.value_info, *((*graph.input, *graph.output) if scope else ())):
                tensor = self.trace.tensors.get(f"{scope}{info.name}")
                if not info.type.tensor_type.HasField("shape"):
                    continue
                shape = info.type.tensor_type.shape
                if (scope, info.name) in constants:
                    for dim, length in zip(shape.dim, constants[scope, info.name].dims, strict=False):
                        dim.dim_value = length
                elif tensor is not None and tensor.axes is not None:
                    self._rewrite_shape(shape, tensor.axes)

    def _rewrite_shape(self, shape: onnx.TensorShapeProto, axes: tuple[Expr, ...]) -> None:
        for dim, expr in zip(shape.dim, axes, strict=False):
            if self._shrinks(expr):
                new = Size.along(expr).under(self.counts)
                dim.Clear()
                if new is not None:
                    dim.dim_value = new


def _remove_from(graph: onnx.GraphProto, unread: set[str]) -> list[str]:
    """Remove what holds or computes nothing but `unread` from a graph, and return what that had read."""
    unused = [node for node in graph.node if node.output and unread.issuperset(name for name in node.output if name)]
    for node in unused:
        graph.node.remove(node)
    for info in [info for info in graph.value_info if info.name in unread]:
        graph.value_info.remove(info)
    for tensor in [tensor for tensor in graph.initializer if tensor.name in unread]:
        graph.initializer.remove(tensor)
    return [name for node in unused for name in node.input]


def _known(value: int | None) -> int:
    assert value is not None
    return value


def _copy_without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model but for the initializers of its main graph, which would double the memory."""
    copy = onnx.ModelProto()
    _copy_fields(model, copy, "graph")
    _copy_fields(model.graph, copy.graph, "initializer")
    return copy


def _copy_fields(source: Message, target: Message, left_out: str) -> None:
    for descriptor, value in source.ListFields():
        if descriptor.name == left_out:
            continue
        if isinstance(value, (int, float, str, bytes)):
            setattr(target, descriptor.name, value)
        elif isinstance(value, Message):
            getattr(target, descriptor.name).CopyFrom(value)
        else:
            getattr(target, descriptor.name).MergeFrom(value)


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield from node.input
        yield from node.output
