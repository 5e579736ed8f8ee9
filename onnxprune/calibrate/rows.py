"""Which rows of a layer are looked at: all, or a fixed random choice where there are more than are needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.memory import Shares
from onnxprune.options import DataOptions

FEWEST_ROWS = 1_000
PLENTY = 8_000
ROWS_PER_COLUMN = 100
"""More rows than this for each weight of an output hardly change what is fitted; beyond `PLENTY` rows a tenth will do,
since every row of a wide layer is dear."""

LARGEST_TABLE = 1 << 27
"""Numbers in a table of rows: 512 MB in single precision."""


@dataclass(frozen=True)
class RowChoice:
    """The rows to take of each of so many batches, the same whenever they are asked for.

    No more than what may be tabled within a `limit` of memory; where the columns are too many to solve for, the rows
    must be few enough to.
    """

    batches: int
    seed: int = 0
    limit: int = DataOptions.memory_limit

    def of(self, batch: int, rows: int, columns: int, groups: int = 1) -> NDArray[np.int64]:
        """Return the rows to take of one batch that has so many, int64, ascending; `columns` are those of a group."""
        share = -(-self._wanted(columns, groups) // self.batches)
        if rows <= share:
            return np.arange(rows)
        return np.sort(np.random.default_rng((self.seed, batch)).choice(rows, share, replace=False))

    def _wanted(self, columns: int, groups: int) -> int:
        shares = Shares(self.limit)
        wanted = max(FEWEST_ROWS, min(ROWS_PER_COLUMN * columns, PLENTY), ROWS_PER_COLUMN // 10 * columns)
        if columns > shares.side:
            wanted = min(wanted, shares.side)
        table = min(LARGEST_TABLE, shares.table // np.dtype(np.float32).itemsize)
        return max(1, min(wanted, table // (groups * columns)))
