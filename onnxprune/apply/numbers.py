"""Numbers that are sizes: in computed shapes, in attributes, and where an operator took them for granted."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxprune.apply.draft import Draft, place_of
from onnxprune.model import NodeKey
from onnxprune.record import Slot
from onnxprune.sizes import Size


def rewrite(draft: Draft) -> None:
    """Bring every number that follows a size up to date, except those in stored constants."""
    _replace_computed_sizes(draft)
    _rewrite_attributes(draft)
    _supply_inputs(draft)
    _pin_attributes(draft)


def new_elements(draft: Draft) -> dict[Slot, dict[int, int]]:
    """Return, per input that holds sizes, the elements that need another value than they have or compute."""
    elements: dict[Slot, dict[int, int]] = {}
    for follow in draft.trace.record.follows:
        source = follow.given.source if follow.given is not None else None
        if follow.given is None or source is None:
            continue
        scale = source.scale or Size.of(1)
        wanted, given = follow.wanted.divided_by(scale), follow.given.divided_by(scale)
        new = None if wanted is None else draft.new_size(wanted)
        if new is None or given is None or wanted is None or _stands(draft, given, wanted):
            continue
        if new != draft.new_size(given):
            elements.setdefault((source.node, source.slot), {})[source.element] = new
    return elements


def _stands(draft: Draft, given: Size, wanted: Size) -> bool:
    """Whether a number that says a size in another way still does, such as -1 or the largest integer for the last.

    It does where nothing shrinks, and past the end of an axis that stays as it is; a negative one counts from an end
    that may move.
    """
    if not draft.masks:
        return True
    if given.dense is None or wanted.dense is None or draft.differs(given) or draft.differs(wanted):
        return False
    return given.dense > wanted.dense


def _replace_computed_sizes(draft: Draft) -> None:
    """Put a constant where a computed size no longer follows what it should."""
    stored = {use.slot for use in draft.trace.uses}
    for slot, elements in new_elements(draft).items():
        if slot in stored:
            continue
        key, place = slot
        content = draft.trace.record.contents[slot]
        sizes = [draft.new_size(entry) for entry in content.ravel()]
        values = np.array([elements.get(element, size) for element, size in enumerate(sizes)], np.int64)
        node = draft.model.node(key)
        old = node.input[place]
        name = draft.new_name(f"{old}_pruned")
        draft.store(numpy_helper.from_array(values.reshape(content.shape), name))
        node.input[place] = name
        draft.changes.resize(old, [entry.dense for entry in content.ravel()], values.tolist())


def _rewrite_attributes(draft: Draft) -> None:
    """Set integer attributes that follow a size; a list that was absent is given as a whole."""
    absent: dict[tuple[NodeKey, str], dict[int, Size]] = {}
    for follow in draft.trace.record.attributes:
        node = draft.model.node(follow.node)
        attribute = next((a for a in node.attribute if a.name == follow.name), None)
        if attribute is not None:
            _set_attribute(draft, node, attribute, follow.place, follow.wanted)
        elif follow.place is not None:
            absent.setdefault((follow.node, follow.name), {})[follow.place] = follow.wanted
        elif draft.differs(follow.wanted):
            _give_attribute(draft, node, follow.name, draft.new_size(follow.wanted))
    for (key, name), sizes in absent.items():
        wanted = [sizes[place] for place in sorted(sizes)]
        if any(draft.differs(size) for size in wanted):
            _give_attribute(draft, draft.model.node(key), name, [draft.new_size(size) for size in wanted])


def _set_attribute(
    draft: Draft, node: onnx.NodeProto, attribute: onnx.AttributeProto, place: int | None, wanted: Size
) -> None:
    new = draft.new_size(wanted)
    if new is None or not draft.differs(wanted):
        return
    if place is None:
        draft.changes.resize(place_of(node, attribute.name), int(attribute.i), new)
        attribute.i = new
    else:
        draft.changes.resize(place_of(node, f"{attribute.name}[{place}]"), int(attribute.ints[place]), new)
        attribute.ints[place] = new


def _give_attribute(draft: Draft, node: onnx.NodeProto, name: str, value: object) -> None:
    node.attribute.append(helper.make_attribute(name, value))
    draft.changes.resize(place_of(node, name), None, value)


def _supply_inputs(draft: Draft) -> None:
    """Give nodes the sizes that they took for granted, such as Split into equal parts."""
    for follow in draft.trace.record.inputs:
        if not any(draft.differs(size) for size in follow.wanted):
            continue
        key, slot = follow.slot
        node = draft.model.node(key)
        name = draft.new_name(f"{node.name or node.output[0]}_sizes")
        sizes = [draft.new_size(size) for size in follow.wanted]
        draft.store(numpy_helper.from_array(np.array(sizes, np.int64), name))
        node.input.extend([""] * (slot + 1 - len(node.input)))
        node.input[slot] = name
        replaced = [attribute for attribute in node.attribute if attribute.name == follow.instead_of]
        for attribute in replaced:
            node.attribute.remove(attribute)
        draft.changes.resize(name, None, sizes)


def _pin_attributes(draft: Draft) -> None:
    """Give attributes whose default is computed from a size that shrinks their dense value."""
    for pin in draft.trace.record.pins:
        if draft.differs(pin.size):
            _give_attribute(draft, draft.model.node(pin.node), pin.name, pin.value)
