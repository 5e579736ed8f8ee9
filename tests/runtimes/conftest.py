"""The code that asks runtimes is in `tools`, behind the tests' own folder: both have a module `networks`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tools"))
