"""The page in a browser: no complaints, nothing wider than a phone, tables that sort, light and dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from onnxprune.report.page import page_of

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium here")]

LOOK = """
const page = frame.contentDocument, found = {};
for (const details of page.querySelectorAll("details")) details.open = true;
found.width = page.documentElement.scrollWidth;
const paint = () => frame.contentWindow.getComputedStyle(page.body).backgroundColor;
found.before = paint();
page.getElementById("theme").click();
found.after = paint();
const figures = () => [...page.querySelectorAll("#layer-table tbody td:nth-child(4) data")];
const column = () => figures().map(figure => Number(figure.value));
const button = page.querySelectorAll("#layer-table thead button")[3];
button.click();
found.falling = column();
button.click();
found.rising = column();
found.wide = [...page.querySelectorAll("figure .wide")].filter(one => one.offsetParent).length;
found.narrow = [...page.querySelectorAll("figure .narrow")].filter(one => one.offsetParent).length;
document.body.dataset.found = JSON.stringify(found);
"""


def looked_at(page: bytes, folder: Path, width: int) -> tuple[dict[str, Any], str]:
    """What a script sees in a page that has so many pixels, and what the browser complained about."""
    source = html.escape(page.decode())
    around = f'<!doctype html><body><iframe id="frame" style="width:{width}px;height:900px;border:0" srcdoc="{source}">'
    path = folder / "around.html"
    path.write_text(f"{around}</iframe><script>frame.onload = () => {{{LOOK}}};</script>", encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--virtual-time-budget=5000",
    ]
    call = [str(BROWSER), *options, f"--user-data-dir={folder}", "--dump-dom", path.as_uri()]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stderr
    said = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return json.loads(html.unescape(found[1])), said


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_fits_sorts_and_changes_its_theme(everything: dict[str, Any], tmp_path: Path, width: int) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    long = "a.very.long.name.without.an.end/" * 6 + "x" * 80
    layers = [{**layer, "name": f"{layer['name']}{long}"} for layer in everything["layers"]]
    data = {**everything, "layers": layers, "warnings": [f"'{'w' * 90}' is long"]}
    found, said = looked_at(page_of(data, Path("report.html")), tmp_path, width)
    assert said == ""
    assert found["width"] == width
    assert found["before"] != found["after"]
    params = [layer["params"]["before"] for layer in layers]
    assert found["falling"] == sorted(params, reverse=True) and found["rising"] == sorted(params)
    assert (found["wide"] > 3, found["narrow"] > 3) == (width > 390, width == 390)


def test_the_page_of_zeros_fits_a_phone(zeros: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    found, said = looked_at(page_of(zeros, Path("report.html")), tmp_path, 390)
    assert (found["width"], said) == (390, "")
