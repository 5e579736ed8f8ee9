"""What the documentation shows works, and its links lead somewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from onnxprune.rules import RULES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "models" / "README.md"]


def code_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", ["README.md", "docs/plan.md"])
def test_python_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "models" / "residual_cnn.onnx", tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    blocks = code_blocks(ROOT / page)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})


def test_the_example_of_a_rule_works() -> None:
    definition, test = code_blocks(ROOT / "docs" / "add-an-operator.md")
    try:
        # A rule reads its annotations when it is defined, so the example must be a module of its own.
        exec(compile(definition, "rule", "exec"), {"__name__": "example"})
        exec(compile(test, "test", "exec"), {})
    finally:
        RULES.pop(("acme", "ChannelScale"), None)
