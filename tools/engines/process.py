"""Jobs of runtimes, each in a process of its own with a limit of time: converters end theirs, or never end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from engines.engine import Arrays, Engine, EngineError, interface
from engines.files import load_arrays, save_arrays

TOOLS = Path(__file__).parents[1]
TIME_LIMIT = 300.0
MESSAGE_LENGTH = 200


@dataclass(frozen=True)
class Outcome:
    """How far a runtime came with a model.

    `outputs` are those for each set of inputs, none where it did not run; then `message` says why, in one line.
    """

    loads: bool
    runs: bool
    outputs: list[dict[str, NDArray[Any]]]
    message: str = ""


@dataclass(frozen=True)
class Host:
    """Where a runtime does its jobs: the Python that has its packages, a folder for what it converts, a limit of time.

    Converted models are kept by the names of their files, so that none is converted twice.
    """

    engine: Engine
    folder: Path
    python: str = sys.executable
    time_limit: float = TIME_LIMIT

    def versions(self) -> dict[str, str]:
        """Return the versions of the runtime's packages. Raises `EngineError` where one is not installed."""
        facts = self._done({"kind": "versions"}, self.time_limit)
        if "versions" not in facts:
            raise EngineError(facts["message"])
        found: dict[str, str] = facts["versions"]
        return found

    def outputs(self, model: Path, feeds: Sequence[Arrays]) -> Outcome:
        """Convert a model, load it and run it on some sets of inputs, all of the same shapes."""
        with TemporaryDirectory() as folder:
            given, outputs = Path(folder) / "feeds.npz", Path(folder) / "outputs.npz"
            save_arrays(given, feeds)
            job = {"kind": "outputs", "model": str(model.resolve()), "names": interface(model)[1]}
            facts = self._done({**job, "feeds": str(given), "outputs": str(outputs)}, self.time_limit)
            runs = facts.get("runs", False)
            found = load_arrays(outputs) if runs else []
        return Outcome(facts.get("loads", False), runs, found, facts.get("message", ""))

    def race(self, models: Mapping[str, Path], feeds: Arrays, seconds: float) -> dict[str, Any]:
        """Return `onnxprune.bench.Race.as_dict` of models, the first the baseline. Raises `EngineError`."""
        with TemporaryDirectory() as folder:
            given = Path(folder) / "feeds.npz"
            save_arrays(given, [feeds])
            paths = {name: str(path.resolve()) for name, path in models.items()}
            names = interface(next(iter(models.values())))[1]
            job = {"kind": "race", "models": paths, "seconds": seconds, "names": names, "feeds": str(given)}
            facts = self._done(job, self.time_limit + seconds)
        if "race" not in facts:
            raise EngineError(facts["message"])
        raced: dict[str, Any] = facts["race"]
        return raced

    def _done(self, job: dict[str, Any], time_limit: float) -> dict[str, Any]:
        """Return the facts of a job; where it was not finished there is a `message`."""
        with TemporaryDirectory() as folder:
            job_file, result = Path(folder) / "job.json", Path(folder) / "result.json"
            job_file.write_text(json.dumps({**job, "engine": self.engine.name, "folder": str(self.folder)}))
            problem = _problem([self.python, "-m", "engines.child", str(job_file), str(result)], folder, time_limit)
            facts: dict[str, Any] = json.loads(result.read_text()) if result.is_file() else {}
        if problem or not facts:
            facts.setdefault("message", problem or "ended before it loaded the model, without a word")
        if "message" in facts:
            facts["message"] = facts["message"].replace(f"{self.folder}{os.sep}", "")[:MESSAGE_LENGTH]
        return facts


def _problem(command: list[str], folder: str, time_limit: float) -> str:
    """Run a command, and say what went wrong: nothing where it ended well."""
    path = os.pathsep.join([str(TOOLS), str(TOOLS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=time_limit,
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {time_limit:g} s"
    return f"ended with {done.returncode}: {_last_words(done.stdout, done.stderr)}" if done.returncode else ""


def _last_words(*streams: str) -> str:
    lines = [line for text in streams for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no word"
