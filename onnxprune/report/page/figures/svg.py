"""What matplotlib writes, made fit to stand inside a page: nothing that is global, fixed in colour or in font."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from onnxprune.report.page.figures.style import VARIABLES

KEPT_OF_STYLE = (
    "font-size",
    "text-anchor",
    "fill",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "opacity",
)
DROPPED = ("metadata", "style")
NUMBER = re.compile(r"-?\d+\.\d{3,}")


def inline(svg: str, prefix: str, label: str, tips: Mapping[str, str]) -> str:
    """Return an SVG element for a page: `label` says what it shows, `tips` what its groups are, by their ids.

    Ids that nothing refers to are dropped, the others begin with `prefix`, so that pictures do not meet each other's.
    """
    root = ElementTree.fromstring(svg)
    for element in list(root.iter()):
        _without_namespaces(element)
        for child in [child for child in element if _name(child.tag) in DROPPED]:
            element.remove(child)
    for element in root.iter():
        if (tip := tips.get(element.get("id", ""))) is not None:
            _add_title(element, tip)
    _rename_ids(root, prefix)
    for element in root.iter():
        _restyle(element)
    width, height = root.get("viewBox", "0 0 1 1").split()[2:]
    root.attrib.clear()
    root.attrib |= {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": label}
    root.attrib["style"] = f"max-width:{float(width):.0f}px"
    _flatten(root)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


def _without_namespaces(element: ElementTree.Element) -> None:
    element.tag = _name(element.tag)
    for key in list(element.attrib):
        if "}" in key:
            element.attrib[_name(key)] = element.attrib.pop(key)
    element.text = element.text if element.tag == "text" else None
    element.tail = None


def _add_title(element: ElementTree.Element, tip: str) -> None:
    title = ElementTree.Element("title")
    title.text = tip
    element.insert(0, title)
    element.set("class", "tip")


def _rename_ids(root: ElementTree.Element, prefix: str) -> None:
    used = set(_references(root))
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.set("id", f"{prefix}-{name}")
        for key in ("href", "clip-path"):
            if key in element.attrib:
                element.set(key, element.attrib[key].replace("#", f"#{prefix}-"))


def _references(root: ElementTree.Element) -> Iterator[str]:
    for element in root.iter():
        for key in ("href", "clip-path"):
            if found := re.search(r"#([^)]+)", element.get(key, "")):
                yield found[1]


def _restyle(element: ElementTree.Element) -> None:
    """Round what places an element, and keep of its style what differs from picture to picture."""
    for key in ("d", "transform", "x", "y", "width", "height"):
        if key in element.attrib:
            text = NUMBER.sub(lambda found: f"{float(found[0]):.2f}", element.attrib[key])
            element.set(key, " ".join(text.split()))
    if "style" in element.attrib:
        rules = dict(rule.strip().split(": ", 1) for rule in element.attrib.pop("style").split(";") if ": " in rule)
        if "font" in rules:
            rules["font-size"] = rules["font"].split()[0]
        kept = [f"{key}:{VARIABLES.get(rules[key], rules[key])}" for key in KEPT_OF_STYLE if key in rules]
        if kept:
            element.set("style", ";".join(kept))


def _flatten(element: ElementTree.Element) -> None:
    """Replace groups that say nothing by what is in them."""
    for child in list(element):
        _flatten(child)
    children = []
    for child in element:
        children += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = children
