"""Which rows of a layer are looked at: all, or a fixed random choice where there are more than are needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_ROWS = 1_000
PLENTY = 8_000
ROWS_PER_COLUMN = 100
"""More rows than this for each weight of an output hardly change what is fitted; beyond `PLENTY` rows a tenth will do,
since every row of a wide layer is dear."""

LARGEST_TABLE = 1 << 27
"""Numbers in a table of rows: 512 MB in single precision."""


@dataclass(frozen=True)
class RowChoice:
    """The rows to take of each of so many batches, the same whenever they are asked for."""

    batches: int
    seed: int = 0

    def of(self, batch: int, rows: int, columns: int, groups: int = 1) -> NDArray[np.int64]:
        """Return the rows to take of one batch that has so many, int64, ascending; `columns` are those of a group."""
        share = -(-_wanted(columns, groups) // self.batches)
        if rows <= share:
            return np.arange(rows)
        return np.sort(np.random.default_rng((self.seed, batch)).choice(rows, share, replace=False))


def _wanted(columns: int, groups: int) -> int:
    wanted = max(FEWEST_ROWS, min(ROWS_PER_COLUMN * columns, PLENTY), ROWS_PER_COLUMN // 10 * columns)
    return max(1, min(wanted, LARGEST_TABLE // (groups * columns)))
