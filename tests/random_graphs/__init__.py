"""Random small graphs out of the operators that have rules: drawn steps, each of which grows a graph by a layer.

A step takes its operands and its sizes from three drawn numbers, so that hypothesis can shrink a failing graph to the
few steps that matter. The steps stand in one module a family; importing one fills the tables.
"""

from random_graphs import channels, joining, layout, norms, sequences, sharing
from random_graphs.drawing import Drawn, drawn, grow, openings
from random_graphs.growth import NORMS, STEPS, Opening

__all__ = [
    "NORMS",
    "STEPS",
    "Drawn",
    "Opening",
    "channels",
    "drawn",
    "grow",
    "joining",
    "layout",
    "norms",
    "openings",
    "sequences",
    "sharing",
]
