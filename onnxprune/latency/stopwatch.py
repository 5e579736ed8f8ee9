"""The time of one model and of versions of it: predicted from a table, and measured side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from onnxprune.bench import Race, race
from onnxprune.cost import Cost
from onnxprune.errors import DataError
from onnxprune.feeds import usable_feeds
from onnxprune.latency.fit import latency_of
from onnxprune.latency.kept import cached, keep, kept
from onnxprune.latency.nodes import Node, nodes_of
from onnxprune.latency.profile import profile, whole
from onnxprune.latency.summary import Profile, summary
from onnxprune.latency.table import Table
from onnxprune.machine import this_machine
from onnxprune.measure import Measure
from onnxprune.model import Model
from onnxprune.options import LatencyOptions
from onnxprune.runtime import Feeds
from onnxprune.select.widths import width_of_this_machine
from onnxprune.tracing import Trace

DENSE, PRUNED = "dense", "pruned"

OnProgress = Callable[[float], None]


class Stopwatch:
    """How long the versions of one model take at given input shapes, with a number of threads."""

    def __init__(self, dense: Trace, cost: Cost, options: LatencyOptions, seed: int) -> None:
        self.options = options
        self._dense, self._cost, self._seed = dense, cost, seed
        self.warnings: list[str] = []

    @cached_property
    def feeds(self) -> Feeds:
        """Random inputs that the dense model runs on."""
        return usable_feeds(self._dense, self._seed, self.options.shapes)

    @cached_property
    def nodes(self) -> list[Node]:
        """What takes time in the model."""
        return list(nodes_of(self._dense, self._cost.symbols))

    def predicted(self, off_width: bool, on_progress: OnProgress) -> Measure:
        """Return the milliseconds of a run as a function of the widths.

        What the table lacks is measured first, at widths that fast kernels do not take only with `off_width`. Raises
        `DataError` where a given table does not fit this machine or model.
        """
        table, block = self.table(off_width, on_progress), width_of_this_machine()
        return latency_of(table, self.nodes, block, whole(self.nodes, False))

    def summary(self, off_width: bool, on_progress: OnProgress) -> tuple[Profile, Table]:
        """Return what the times of the model's nodes say, and those alone."""
        self._cost.measures["latency"] = self.predicted(off_width, on_progress)
        table = self.table(off_width, on_progress)
        own = {node.signature for node in self.nodes} | {whole(self.nodes, off) for off in (False, True)}
        rows = {signature: row for signature, row in table.rows.items() if signature in own}
        shapes = {name: list(values.shape) for name, values in self.feeds.items()}
        table = Table(table.machine, table.threads, rows)
        return summary(self._dense, self._cost, table, self.nodes, shapes), table

    def table(self, off_width: bool, on_progress: OnProgress) -> Table:
        """Return the table that was given, or that of this machine with all nodes of the model in it."""
        machine, threads = this_machine(), self.options.threads
        if self.options.profile is not None:
            return _given(Path(self.options.profile), threads)
        path = cached(machine, threads)
        table = kept(path) or Table(machine, threads)
        if profile(self._dense, self.nodes, self.feeds, table, off_width, on_progress):
            self.warnings.extend(filter(None, [keep(table, path)]))
        return table

    def race(self, pruned: Model, seconds: float, on_progress: OnProgress) -> Race:
        """Measure a version of the model against the dense one."""
        contestants = {DENSE: self._dense.model, PRUNED: pruned}
        return race(contestants, self.feeds, self.options.threads, seconds, self._seed, on_progress)


def _given(path: Path, threads: int) -> Table:
    table = Table.load(path)
    if table.threads != threads:
        raise DataError(
            f"{path}: measured with {table.threads} threads, not with {threads}; say --threads {table.threads}"
        )
    return table
