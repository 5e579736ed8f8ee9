"""Where lines may break: within long names, but not within options."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

AFTER = re.compile(r"(?<=[/._:])(?=[^/._:])")


OPTION = re.compile(r"(?<![\w-])(--[a-z][\w-]*(?: (?:[A-Z]{2,}|\d+)\b)?)")


def breakable(name: str) -> Markup:
    """Return a name that may go on in the next line after a slash, a point, an underscore or a colon."""
    return Markup("<wbr>").join(escape(part) for part in AFTER.split(str(name)))


def prose(text: str) -> Markup:
    """Return a message with the options in it as code, each on one line."""
    parts = OPTION.split(str(text))
    option = Markup("<code>{}</code>")
    return Markup().join(option.format(part) if place % 2 else part for place, part in enumerate(parts))
