"""The template engine, with the words that the templates use."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from onnxprune.report.page.breaking import breakable, prose
from onnxprune.report.page.escape import finalized
from onnxprune.report.page.numbers import FILTERS
from onnxprune.report.page.sources import host, is_link


@lru_cache(maxsize=2)
def environment(kind: str) -> Environment:
    """Return the engine for `html` or `md`: whatever is put in is escaped as that form asks for."""
    made = Environment(
        loader=PackageLoader("onnxprune.report.page"),
        autoescape=kind == "html",
        finalize=None if kind == "html" else finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS, host=host, breakable=breakable, prose=prose)
    made.tests["link"] = is_link
    return made
