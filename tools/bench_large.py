"""What zeros cost in a model that is larger than memory should have to be, beside copying its weights.

    python tools/bench_large.py FOLDER [--size 8GB] [--out docs/bench_large.json]

Makes the model in FOLDER (tools/make_large_model.py), measures, and deletes it. Each turn runs in a process of its own:
copying the weights chunk by chunk with fsync, reading them once, 50% zeros by the global ranking, and 2:4, both by
magnitude and without samples. Channels stay where they are, also in models that are small enough to be permuted. Before
each, the files are dropped from the page cache as far as the system allows. Peak memory is what the system reports for
the process, mapped pages included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import track
from rich.table import Table

from onnxprune.options import size

MAKER = Path(__file__).with_name("make_large_model.py")
CHUNK = 8 << 20
MOST_TIME, MOST_MEMORY = 1.5, 1.5e9
"""What was aimed at: times the copy (plus one more read for the ranking), and bytes."""

PRUNE = ("-m", "onnxprune", "{model}", "-o", "{out}", "--overwrite", "--calibration", "none", "--json")
COPY = """
import os, sys
with open(sys.argv[1], "rb", 0) as source, open(sys.argv[2], "wb", 0) as target:
    while chunk := source.read({chunk}):
        target.write(chunk)
    os.fsync(target.fileno())
"""
LAUNCH = """
import json, os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([time.perf_counter() - started, used.ru_utime + used.ru_stime, peak]))
sys.exit(status != 0)
"""
"""The peak of a process is at least that of the one that starts it, so a small one stands between this one and it."""

READ = """
import sys
with open(sys.argv[1], "rb", 0) as source:
    while source.read({chunk}):
        pass
"""


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds, and bytes at its peak."""

    wall: float
    cpu: float
    peak: float


def commands(model: Path, out: Path) -> dict[str, list[str]]:
    """Return what is measured, by name."""
    data = f"{model}.data"
    prune = [word.format(model=model, out=out) for word in PRUNE]
    pattern = [*prune, "--granularity", "2:4", "--recover", "none", "--no-permute"]
    return {
        "copy": ["-c", COPY.format(chunk=CHUNK), data, f"{out}.data"],
        "read": ["-c", READ.format(chunk=CHUNK), data],
        "50% zeros": [*prune, "--granularity", "element", "--criterion", "l1", "--amount", "0.5", "--no-verify"],
        "2:4": [*pattern, "--no-verify"],
        "50% zeros, checked": [*prune, "--granularity", "element", "--criterion", "l1", "--amount", "0.5"],
        "2:4, checked": pattern,
    }


def run(words: list[str]) -> Cost:
    """Run Python with some arguments and return what that cost."""
    done = subprocess.run([sys.executable, "-c", LAUNCH, *words], stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(words)}")
    return Cost(*json.loads(done.stdout))


def forget(folder: Path) -> None:
    """Drop the files of a folder from the page cache, so that the next reader finds them on the disk."""
    for path in folder.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(folder: Path, wanted: int, turns: int) -> dict[str, list[Cost]]:
    """Make a model of so many bytes, and run everything in turn."""
    model, out = folder / "large.onnx", folder / "out.onnx"
    # In a process of its own: what this one takes, its children seem to take as well until they are on their own.
    subprocess.run([sys.executable, MAKER, model, "--size", f"{wanted}"], check=True)
    found: dict[str, list[Cost]] = {}
    todo = [item for _ in range(turns) for item in commands(model, out).items()]
    for name, words in track(todo, "measuring", console=Console(stderr=True)):
        for path in folder.glob("out.*"):
            path.unlink()
        forget(folder)
        found.setdefault(name, []).append(run(words))
    return found


def main() -> None:
    """Measure, show it and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="8GB")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("docs/bench_large.json"))
    arguments = parser.parse_args()
    wanted = size("--size", arguments.size)
    if shutil.disk_usage(arguments.folder).free < 3 * wanted:
        raise SystemExit(f"skipped: {arguments.folder} has no room for a model of {arguments.size} and its copy")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measure(Path(folder), wanted, arguments.turns)
    medians = {
        name: Cost(*(median(getattr(cost, what) for cost in costs) for what in ("wall", "cpu", "peak")))
        for name, costs in found.items()
    }
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("onnx", "numpy")},
    }
    figures = {"machine": machine, "bytes": wanted, "turns": arguments.turns}
    figures["median"] = {name: asdict(cost) for name, cost in medians.items()}
    figures["all"] = {name: [asdict(cost) for cost in costs] for name, costs in found.items()}
    arguments.out.write_text(json.dumps(figures, indent=1) + "\n")
    show(medians)


def show(medians: dict[str, Cost]) -> None:
    """Print the medians beside what was aimed at."""
    table = Table("", "wall s", "CPU s", "peak MB", "of the copy", "at most")
    copy, read = medians["copy"].wall, medians["read"].wall
    for name, cost in medians.items():
        most = (MOST_TIME * copy + read * name.startswith("50%")) / copy
        aimed = f"{most:.2f}" if name not in ("copy", "read") else ""
        row = f"{cost.wall:.1f}", f"{cost.cpu:.1f}", f"{cost.peak / 1e6:.0f}", f"{cost.wall / copy:.2f}", aimed
        table.add_row(name, *row)
    Console().print(table)


if __name__ == "__main__":
    main()
