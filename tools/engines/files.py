"""Lists of arrays by name, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.engine import Arrays


def save_arrays(path: Path, sets: Sequence[Arrays]) -> None:
    """Write sets of arrays to an .npz, as `place/name`."""
    named = {f"{place}/{name}": values for place, arrays in enumerate(sets) for name, values in arrays.items()}
    np.savez(path, **named)  # type: ignore[arg-type]  # names might be those of its options, had they no slash


def load_arrays(path: Path) -> list[dict[str, NDArray[Any]]]:
    """Read what `save_arrays` wrote."""
    sets: dict[int, dict[str, NDArray[Any]]] = {}
    with np.load(path) as archive:
        for key in archive.files:
            place, _, name = key.partition("/")
            sets.setdefault(int(place), {})[name] = archive[key]
    return [sets[place] for place in sorted(sets)]
