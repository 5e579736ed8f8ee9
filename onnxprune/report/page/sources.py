"""Where facts are from: pages on the web, or words."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from onnxprune.report.page.escape import Written, for_markdown


def is_link(page: str) -> bool:
    """Say whether a source is a page on the web; nothing else becomes a link."""
    try:
        parts = urlsplit(page)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def host(page: str) -> str:
    """Return what to call a page: its host and the end of its address."""
    parts = urlsplit(page)
    last = parts.path.rstrip("/").rpartition("/")[2]
    return f"{parts.netloc.removeprefix('www.')}: {last}" if last else parts.netloc


def in_markdown(page: str) -> Written:
    """Return a source as a link, or as words where it is no page on the web."""
    if not is_link(page):
        return for_markdown(page)
    return Written(f"[{for_markdown(host(page))}]({quote(page, safe='/:?#@!$&*+,;=%~')})")
