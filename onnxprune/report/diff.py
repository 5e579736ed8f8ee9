"""How the difference of two models looks in a terminal: what changed first, what did not counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnxprune.report.words import amount

if TYPE_CHECKING:  # the facts are made on a higher floor
    from onnxprune.diff import Diff
    from onnxprune.diff.change import Change
    from onnxprune.diff.nodes import NodeDiff
    from onnxprune.diff.tensors import TensorDiff

MOST = 20
"""Rows of a table, unless all are asked for."""
LONG = 60
"""Characters of a value that is told."""
READERS = 20
"""Characters for the nodes that read a tensor."""
LINK = 24
"""Characters for a value that a node reads or computes."""
NONE = "none"
ORDER = ("shape", "dtype", "removed", "added", "values", "form", "same")
"""Tensors in this order, by what is told of them in the first place."""
STYLES = {"added": "green", "removed": "red", "same": "dim"}


def show_diff(found: Diff, console: Console, show_all: bool = False) -> None:
    """Print what changed: the model, its tensors, its nodes, and how many of each."""
    if found.is_empty:
        console.print(Text(_no_difference(found)))
    for line in _declarations(found):
        console.print(Text(line))
    tensors = sorted(found.tensors, key=lambda tensor: ORDER.index(_kind(tensor)))
    _show("stored tensors", tensors if show_all else _changed(tensors), _tensor_table, console, show_all)
    nodes = sorted(found.nodes, key=_rank)
    _show("nodes", nodes, _node_table, console, show_all)
    for line in _counts(found):
        console.print(Text(line))


def _no_difference(found: Diff) -> str:
    if found.same_file:
        return "no difference"
    return "no difference in what is compared; the files differ in order, notes, declared inner shapes or encoding"


def _changed(tensors: Iterable[TensorDiff]) -> list[TensorDiff]:
    return [tensor for tensor in tensors if tensor.status != "same"]


def _show(title: str, rows: Sequence[Any], table_of: Any, console: Console, show_all: bool) -> None:
    """Print a table of the first rows, and how many are not shown."""
    shown = rows if show_all else rows[:MOST]
    if shown:
        console.print(Text(title, style="bold"))
        console.print(table_of(shown))
    if len(shown) < len(rows):
        console.print(Text(f"and {len(rows) - len(shown)} more {title}; --all shows them", style="dim"))


def _rank(node: NodeDiff) -> int:
    """Return how late to tell of a node: what it does comes before what it reads, which often is just a new name."""
    if node.status != "changed":
        return 1 if node.status == "removed" else 2
    return 0 if node.attributes or "operator" in node.others else 3


def _kind(tensor: TensorDiff) -> str:
    return tensor.changed[0] if tensor.changed else tensor.status


def _tensor_table(tensors: Iterable[TensorDiff]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("tensor", overflow="fold")
    table.add_column("shape", overflow="fold")
    table.add_column("zeros", no_wrap=True)
    table.add_column("change", overflow="fold")
    table.add_column("read by", no_wrap=True)
    for tensor in tensors:
        style = STYLES.get(tensor.status, "")
        cells = (tensor.place + tensor.name, _shapes(tensor), _zeros(tensor), _change(tensor), _few(tensor.nodes))
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _shapes(tensor: TensorDiff) -> str:
    return _from_to([None if side is None else _shape(side.shape) for side in (tensor.before, tensor.after)])


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _zeros(tensor: TensorDiff) -> str:
    shares = (None if side is None else side.share_of_zeros for side in (tensor.before, tensor.after))
    return _from_to([None if share is None else f"{share:.1%}" for share in shares])


def _change(tensor: TensorDiff) -> str:
    """Return what else is different: the type, small values one by one, or by how much values moved."""
    if not tensor.changed:
        return "" if tensor.status == "same" else tensor.status
    assert tensor.before is not None and tensor.after is not None
    said = [f"{tensor.before.dtype} → {tensor.after.dtype}"] if "dtype" in tensor.changed else []
    said += [f"{tensor.before.form} → {tensor.after.form}"] if "form" in tensor.changed else []
    if tensor.values is not None and len(tensor.values.before) <= 3 >= len(tensor.values.after):
        said.append(_from_to([_short(tensor.values.before), _short(tensor.values.after)]))
    elif tensor.apart is not None and tensor.apart.relative is None:
        said += [f"{tensor.apart.elements} texts"] * bool(tensor.apart.elements)
    elif tensor.apart is not None and tensor.apart.elements:
        said.append(_moved(tensor.apart.relative or 0.0))
    return "; ".join(said)


def _moved(relative: float) -> str:
    """Return how far values moved, of their norm; from zeros alone, or to infinities, that is no number."""
    if relative == inf:
        return "other values"
    return f"by {relative:.1%}" if 0.001 <= relative < 10 else f"by {relative:.1e}"


def _node_table(nodes: Iterable[NodeDiff]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("node", overflow="fold")
    table.add_column("operator", overflow="fold")
    table.add_column("change", overflow="fold")
    for node in nodes:
        told = [f"{name} {_difference(change)}" for name, change in node.attributes.items()]
        told += [f"{name} {_link(name, change)}" for name, change in node.others.items()]
        said = "; ".join(told) or node.status
        cells = (node.place + node.name, node.operator, said)
        table.add_row(*(Text(cell, style=STYLES.get(node.status, "")) for cell in cells))
    return table


def _link(name: str, change: Change) -> str:
    """Return how an operator, or what a node reads or computes, changed; of many names, how many."""
    if name == "operator" or len(change.before) == len(change.after) == 1:
        return _from_to(
            [_tail(value if name == "operator" else value[0], LINK) for value in (change.before, change.after)]
        )
    if len(change.before) != len(change.after):
        return f"{len(change.before)} → {len(change.after)}"
    new = sum(one != other for one, other in zip(change.before, change.after, strict=True))
    return f"{new} of {len(change.after)} new"


def _difference(change: Change) -> str:
    """Return a change in words; of lists of equal length, only what is different in them."""
    old, new = change.before, change.after
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
        if len(old) > 1 and len(pairs) < len(old):
            return ", ".join(_from_to([_short(one), _short(other)]) for one, other in pairs)
    return _from_to([NONE if value is None else _short(value) for value in (old, new)])


def _declarations(found: Diff) -> Iterable[str]:
    for title, changes in (("", found.model), ("input ", found.inputs), ("output ", found.outputs)):
        for name, change in changes.items():
            sides = [NONE if value is None else _short(value) for value in (change.before, change.after)]
            yield f"{title}{name}: {_from_to(sides)}"


def _counts(found: Diff) -> Iterable[str]:
    count = Counter(tensor.status for tensor in found.tensors)
    yield f"stored tensors: {_counted(count)}, {count['same']} as they were"
    if found.nodes:
        operators = {
            status: Counter(node.operator for node in found.nodes if node.status == status)
            for status in ("removed", "added")
        }
        which = {status: ", ".join(f"{n} {name}" for name, n in c.most_common(4)) for status, c in operators.items()}
        told = "".join(f"; {status}: {text}" for status, text in which.items() if text)
        yield f"nodes: {_counted(Counter(node.status for node in found.nodes))}{told}"
    if not found.is_empty:
        sides = [[getattr(tensor, name) for tensor in found.tensors] for name in ("before", "after")]
        sizes = [sum(side.size for side in stored if side is not None) for stored in sides]
        zeros = [sum(side.zeros or 0 for side in stored if side is not None) for stored in sides]
        shares = [f"{part / max(whole, 1):.1%}" for part, whole in zip(zeros, sizes, strict=True)]
        told = f"elements {_from_to([*map(amount, sizes)])}, zeros {_from_to(shares)}"
        yield f"{len(found.touched)} nodes touched; {told}"


def _counted(count: Counter[Any]) -> str:
    return ", ".join(f"{count[status]} {status}" for status in ("changed", "removed", "added"))


def _few(names: Sequence[str]) -> str:
    """Return the end of the first of some names, which tells more than its beginning, and how many others there are."""
    if not names:
        return ""
    others = f" +{len(names) - 1}" if len(names) > 1 else ""
    return _tail(names[0], READERS - len(others)) + others


def _tail(name: str, room: int) -> str:
    return name if len(name) <= room else f"…{name[1 - room :]}"


def _from_to(sides: Sequence[str | None]) -> str:
    """Return both sides, or one where they are the same or one is not there."""
    told = [side for side in dict.fromkeys(sides) if side is not None]
    return " → ".join(told)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"
