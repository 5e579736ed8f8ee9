"""Selection: which units go, so that limits on what the model costs are kept at the least loss.

`widths` says which widths a dim may have, `protection` which dims stay whole and how narrow the others may become,
`losses` what a dim loses at each width, and `knapsack` finds the widths that keep the limits at the least loss.
"""

from __future__ import annotations

from onnxprune.select.selection import Losses, Reached, Selection, select

__all__ = ["Losses", "Reached", "Selection", "select"]
