"""How messages about a hostile model name things: short, and without what a terminal would obey."""

from __future__ import annotations

import onnx

from onnxprune.errors import ModelError

LONGEST = 10_000
"""Characters that a name may have. Those that exporters write by joining others have hundreds."""

SHOWN = 80

DEFAULT_DOMAIN = ("", "ai.onnx")


def shown(name: str | bytes) -> str:
    """Return a name in quotation marks, cut short, with what cannot be printed as escapes."""
    return repr(name) if len(name) <= SHOWN else f"{name[:SHOWN]!r}.."


def label(node: onnx.NodeProto, place: int) -> str:
    """Return how a node is named: by its operator, and its name, an output or its place in the graph."""
    name = node.name or next((output for output in node.output if output), "")
    operator = shown(node.op_type)[1:-1] if node.op_type else "node"
    return f"{operator} {shown(name) if name else f'at place {place}'}"


def check_name(name: str) -> str:
    """Return a name; refuse one that is no text, very long, or holds control characters, such as ends of lines."""
    if isinstance(name, str) and len(name) <= LONGEST and name.isprintable():
        return name
    if not isinstance(name, str):  # protobuf gives bytes where they are not UTF-8
        raise ModelError(f"the name {shown(name)} is no UTF-8 text")
    if len(name) > LONGEST:
        raise ModelError(f"the name {shown(name)} has {len(name):,} characters; at most {LONGEST:,} can be")
    if any(ord(sign) < ord(" ") or sign == "\x7f" for sign in name):
        raise ModelError(f"the name {shown(name)} holds control characters")
    return name


def plain(domain: str) -> str:
    """Return a domain by one name: the default one has two."""
    return "" if domain in DEFAULT_DOMAIN else domain
