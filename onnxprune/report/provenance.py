"""Where a result is from: what was run, on which file, with which versions, so that it can be had again."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from onnxprune.machine import this_machine
from onnxprune.report.data import Report
from onnxprune.tracing import Trace

PACKAGES = ("onnxprune", "onnx", "onnxruntime", "numpy", "scipy")
"""What decides which numbers come out."""


def provenance_of(report: Report, trace: Trace, command: str, config: str) -> dict[str, Any]:
    """Return what is needed to repeat a run: versions and hashes, the `command` if one was given, and it as TOML.

    The hash of the output is None where none was written.
    """
    source = trace.model
    output = None if report.output is None else Path(report.output)
    return {
        "command": command or None,
        "config": config or None,
        "seed": report.options["seed"],
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "machine": this_machine().processor,
        "input": {"file": None if source.path is None else source.path.name, "sha256": source.sha256},
        "output": None if output is None else {"file": output.name, "sha256": _hash(output)},
    }


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
