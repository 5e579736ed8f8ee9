"""Pictures of reports for the documentation: the screen of a run as SVG, the top of its page as PNG.

    python tools/screenshots.py MODEL... [--amount A] [--calibration SAMPLES] [--samples N] [--folder docs/images]

Needs the extra `report`, and Chromium for the pages.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.terminal_theme import DIMMED_MONOKAI

import onnxprune
from onnxprune.pages import Pages
from onnxprune.report.terminal import show_report

FOLDER = Path(__file__).parents[1] / "docs" / "images"
COLUMNS = 80
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FONT_FROM_THE_NETWORK = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
SIZE = "1000,1580"
"""Pixels of a page: its top, as far as one reads before scrolling."""


def main() -> None:
    """Prune each model and take both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--amount", type=float, default=0.4)
    parser.add_argument("--calibration", default="auto")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    for path in track(options.models, "taking pictures"):
        with tempfile.TemporaryDirectory() as folder:
            _take(path, options, Path(folder))


def _take(path: Path, options: argparse.Namespace, work: Path) -> None:
    model, given = shutil.copy(path, work), {"calibration": options.calibration, "samples": options.samples}
    result = onnxprune.prune(model, options.amount, budget="macs", bench=True, allow_slower=True, **given)
    result.save(Path(model).with_suffix(".pruned.onnx"))
    page = work / "report.html"
    command = f"onnxprune prune {path.name} --amount {options.amount} --budget macs --bench"
    command += f" --calibration {Path(options.calibration).name}" * (options.calibration != "auto")
    command += f" --samples {options.samples}"
    Pages([page], command, f'amount = {options.amount}\nbudget = "macs"\nbench = true\n').write(result)
    result.report.output = f"{path.stem}.pruned.onnx"
    screen = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    screen.print(f"$ {command}")
    show_report(result.report, screen)
    drawn = screen.export_svg(title="onnxprune", theme=DIMMED_MONOKAI)
    (options.folder / f"terminal_{path.stem}.svg").write_text(FONT_FROM_THE_NETWORK.sub("", drawn), encoding="utf-8")
    _photograph(page, options.folder / f"report_{path.stem}.png")


def _photograph(page: Path, picture: Path) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"no browser for {picture.name}: install Chromium")
    options = ("--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}", f"--screenshot={picture}")
    subprocess.run([browser, *options, page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    main()
