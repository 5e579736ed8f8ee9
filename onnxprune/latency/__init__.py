"""How long a model takes at any widths: learnt from onnxruntime's own times of every node in models that were rebuilt.

A few variants of the model, narrower here and there, are run under onnxruntime's profiler (`kernels`, `designs`). What
each node took is kept in a table, by machine and by what the node is (`table`, `nodes`). Between the points a node's
time is a sum of what it multiplies, reads and writes at the widths that the kernels work in, with no negative price
(`fit`). HALP (Shen et al., 2022) and ZipLM (Kurtic et al., 2023) prune by tables of this kind.
"""

from __future__ import annotations

from onnxprune.latency.stopwatch import Stopwatch
from onnxprune.latency.summary import Profile
from onnxprune.latency.table import Table

__all__ = ["Profile", "Stopwatch", "Table"]
