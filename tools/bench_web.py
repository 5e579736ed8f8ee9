"""The models of tools/bench_runtimes.py in a browser: onnxruntime-web, WebAssembly on one thread, headless Chromium.

    npm install onnxruntime-web
    python tools/bench_web.py CORPUS --package node_modules/onnxruntime-web [--browser chromium] [--only MODEL ..]

Adds its figures to docs/runtimes.json and docs/runtimes.md. Time is the CPU time of
the page's main thread where the system tells it (Linux), wall time elsewhere.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from browser import COPY, Told, visit
from engines import EngineError
from engines.process import Outcome
from rich.console import Console
from rich.progress import track
from runtime_cases import DENSE, SOURCES, Case, cases
from runtime_figures import record, rows_of

from onnxprune.bench.ratio import noise_of, ratio_of

TARGET = "web"
COMMAND = "python tools/bench_web.py CORPUS --package node_modules/onnxruntime-web"
SECONDS = 30.0


def main() -> None:
    """Measure what was asked for and add it to the files."""
    options = _arguments()
    versions = {"onnxruntime-web": _package_version(options.package), "browser": _browser_version(options.browser)}
    chosen = tuple(options.only)
    with TemporaryDirectory() as work:
        found = cases(options.corpus, chosen, Path(work))
        for case in track(found, "models", total=len(chosen or SOURCES), console=Console(stderr=True)):
            outcomes, race = _measured(case, options)
            rows = rows_of(TARGET, case, outcomes, partial(_already, race))
            record(TARGET, {"versions": versions, "command": COMMAND}, case, rows)


def _measured(case: Case, options: argparse.Namespace) -> tuple[dict[str, Outcome], dict[str, Any]]:
    """Return how far the browser came with every version, and the race of those that ran."""
    limit = options.time_limit + options.seconds
    try:
        told = visit(options.browser, options.package, case.versions, case.feeds, options.seconds, limit)
    except EngineError as error:
        return {name: Outcome(False, False, [], str(error)) for name in case.versions}, {}
    return {name: _outcome(told, name) for name in case.versions}, _race(told)


def _already(race: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return the race that was run along with the outputs."""
    return race


def _outcome(told: Told, name: str) -> Outcome:
    if name in told.failed or name not in told.outputs:
        return Outcome(name in told.loaded, False, [], told.failed.get(name, told.done.get("message", "no outputs")))
    sets = told.outputs[name]
    return Outcome(True, True, [sets[place] for place in sorted(sets)])


def _race(told: Told) -> dict[str, Any]:
    """Return what `onnxprune.bench.Race.as_dict` would say of these times, as far as it is used."""
    times = told.done["times"]
    if not times:
        return {"message": told.done["message"]} if "message" in told.done else {}
    clock = "cpu" if all(sample["cpu"] > 0 for taken in times.values() for sample in taken) else "wall"
    passed = {name: np.array([sample[clock] for sample in taken]) for name, taken in times.items()}
    dense, copy = passed.pop(DENSE), passed.pop(COPY)
    return {
        "rounds": len(dense),
        "clock": clock,
        "noise": noise_of(copy, dense),
        "contestants": {DENSE: {"median_ms": float(np.median([sample["wall"] for sample in times[DENSE]]))}},
        "ratios": {name: ratio_of(taken, dense, copy).as_dict() for name, taken in passed.items()},
    }


def _package_version(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text())["version"])


def _browser_version(browser: str) -> str:
    done = subprocess.run([browser, "--version"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split()[:2])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [source.name for source in SOURCES]
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="a folder of exported models")
    parser.add_argument("--package", type=Path, required=True, metavar="FOLDER", help="onnxruntime-web from npm")
    parser.add_argument("--browser", default="chromium", help="Chromium or Chrome")
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="MODEL", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each race; 0 for none")
    parser.add_argument("--time-limit", type=float, default=300, metavar="SECONDS", help="for each model")
    return parser.parse_args()


if __name__ == "__main__":
    main()
