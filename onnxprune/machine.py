"""The machine that something is measured on, as far as it decides how long a model takes."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """The name of the processor, its logical cores, and the version of onnxruntime."""

    processor: str
    cores: int
    onnxruntime: str

    @property
    def slug(self) -> str:
        """A name for files."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.processor} {self.cores} {self.onnxruntime}".lower()).strip("-")


@cache
def this_machine() -> Machine:
    """Return the machine that this runs on."""
    from onnxprune.runtime import version

    return Machine(_processor(), os.cpu_count() or 1, version())


def _processor() -> str:
    """Return the name of the processor: from Linux' own file, since Python knows only the architecture there."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
