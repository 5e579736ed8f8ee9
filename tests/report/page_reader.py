"""Reads a page as a browser would: its elements with their attributes, its sections, the cells of its tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "wbr", "img", "hr", "input"}


@dataclass
class Element:
    """An element of a page; `text` is all that is written in it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    parts: list[str | Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    def all(self, tag: str = "") -> Iterator[Element]:
        for child in self.children:
            if tag in ("", child.tag):
                yield child
            yield from child.all(tag)

    def by_id(self, name: str) -> Element:
        return next(element for element in self.all() if element.attributes.get("id") == name)

    @property
    def value(self) -> float:
        """The exact figure behind what is written."""
        return float(next(self.all("data")).attributes["value"])


class Reader(HTMLParser):
    """Builds the tree, and complains about elements that are not closed in the order in which they were opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(page)
        self.close()
        assert self.open == [self.root], f"not closed: {[element.tag for element in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def read_page(page: bytes) -> Element:
    """Return the page as a tree."""
    return Reader(page.decode()).root


def sections(page: Element) -> list[str]:
    """Return the sections of a page, in order."""
    return [element.attributes["id"] for element in page.all("section")]


def rows(table: Element) -> list[list[Element]]:
    """Return the cells of a table below its head."""
    body = next(table.all("tbody"))
    return [[cell for cell in row.children if cell.tag in ("td", "th")] for row in body.children if row.tag == "tr"]
