"""The documentation as a site: every page has its place, and links that leave docs/ lead to the repository."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CODE = "`x`\n\n    [a](../README.md)\n\n```python\nf[0](../README.md)\n```\n"

Rewrite = Callable[[str, str, Path, str], str]
HOOKS = runpy.run_path(str(ROOT / "tools" / "docs_hooks.py"))


@pytest.fixture
def rewritten() -> Rewrite:
    rewrite: Rewrite = HOOKS["rewritten"]
    return rewrite


def test_every_page_is_in_the_navigation_once() -> None:
    shown = re.findall(r"^ +- .*: ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(page.name for page in DOCS.glob("*.md"))


@pytest.mark.parametrize(
    ("link", "there"),
    [
        ("[the *code*](../onnxprune/rules/)", "[the *code*](https://host/me/it/tree/HEAD/onnxprune/rules)"),
        ("[`a[0]`](../README.md#try-it)", "[`a[0]`](https://host/me/it/blob/HEAD/README.md#try-it)"),
    ],
)
def test_links_to_other_parts_of_the_repository_lead_there(rewritten: Rewrite, link: str, there: str) -> None:
    assert rewritten(f"See {link}.", "plan.md", DOCS, "https://host/me/it/") == f"See {there}."


def test_without_a_repository_their_text_stays(rewritten: Rewrite) -> None:
    assert rewritten("See [the code](../onnxprune/rules/).", "plan.md", DOCS, "") == "See the code."


@pytest.mark.parametrize(
    "text", ["[a](plan.md#x), [b](#x)", "![c](images/../images/c.png)", "[d](https://host/../README.md)", CODE]
)
def test_other_links_and_code_stay(rewritten: Rewrite, text: str) -> None:
    assert rewritten(text, "plan.md", DOCS, "https://host/me/it") == text


def test_links_behind_code_are_rewritten_too(rewritten: Rewrite) -> None:
    assert rewritten(f"{CODE}[a](../README.md)", "plan.md", DOCS, "") == f"{CODE}a"


def test_a_link_to_nothing_is_refused(rewritten: Rewrite) -> None:
    with pytest.raises(FileNotFoundError, match=r"docs/plan\.md: the link to \.\./none\.md"):
        rewritten("[a](../none.md)", "plan.md", DOCS, "")


def test_what_belongs_to_an_item_is_set_in_by_four_spaces() -> None:
    text = "* one\n  goes on\n* two\n\n      x = 1\n\n  more\n* three\n\nText\n  goes on\n```\n* none\n  code\n```\n"
    wanted = "* one\n    goes on\n* two\n\n        x = 1\n\n    more\n\n* three\n\n"
    assert HOOKS["indented"](text) == wanted + text[text.index("Text") :]
