"""Golden files: what must not change without someone noticing. `UPDATE_GOLDEN=1 pytest` writes them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def check_golden(name: str, data: Any) -> None:
    """Compare plain data with the golden file `name`.json."""
    path = HERE / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(data))
