"""How long each node of a model takes, by onnxruntime's own profiler.

onnxruntime fuses nodes, changes the layout of what flows between them and gives the results names of its own. The names
keep those of nodes and values as their beginning: so each node is numbered in a copy, and what bears no number (a
change of layout) counts with the node before it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from onnxprune.files.scratch import scratch_folder
from onnxprune.model import Model, tensors_read
from onnxprune.runtime import Feeds, Session, in_one_piece

KERNEL = "_kernel_time"
MIN_RUNS, MAX_RUNS = 8, 60
DEEPEST_FUSION = 4
"""Nodes between the last one that was fused into a kernel and the one that the kernel is called after."""

FASTEST = 0.25
"""The share of the runs, the fastest, that a mean is taken of: in the others the machine may have done other things."""


def times_of(model: Model, feeds: Feeds, threads: int, seconds: float) -> dict[str, float]:
    """Return the microseconds that each node takes in a run, by the name of its first output.

    The model is run under the profiler for about `seconds`, at least `MIN_RUNS` times; the first run is not counted.
    """
    owners = _Owners(model.proto.graph)
    with scratch_folder() as folder:
        session = Session(_numbered(model), threads=threads, profile_prefix=str(folder / "profile"))
        _times(session, feeds, seconds, time.perf_counter)
        runs = _runs(session.profile())
    shares = [owners.shares(run) for run in runs[1:]]
    names = dict.fromkeys(name for share in shares for name in share)
    return {name: _undisturbed([share.get(name, 0.0) for share in shares]) for name in names}


def time_of(model: Model, feeds: Feeds, threads: int, seconds: float) -> float:
    """Return the microseconds of a whole run without the profiler, which itself takes some for each node.

    At one thread that is CPU time: on a busy machine single nodes run undisturbed now and then, whole runs never.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    return _undisturbed(_times(Session(model, threads=threads), feeds, seconds, clock)[1:])


def _times(session: Session, feeds: Feeds, seconds: float, clock: Callable[[], float]) -> list[float]:
    """Run a model for about so long, and return the microseconds of each run."""
    times: list[float] = []
    while len(times) < MIN_RUNS or (len(times) < MAX_RUNS and sum(times) < seconds * 1e6):
        began = clock()
        session.run(feeds)
        times.append((clock() - began) * 1e6)
    return times


def _undisturbed(values: list[float]) -> float:
    ordered = np.sort(values)
    return float(ordered[: max(1, int(len(ordered) * FASTEST))].mean())


def _numbered(model: Model) -> Model:
    """Return a copy in which every node bears its number, in its own name and in those of its outputs."""
    proto = in_one_piece(model)
    graph = proto.graph
    in_bodies = {name for node in graph.node for name in set(tensors_read(node)) - set(node.input)}
    names = {
        name: f"#{index}#{place}"
        for index, node in enumerate(graph.node)
        for place, name in enumerate(node.output)
        if name and name not in in_bodies
    }
    for index, node in enumerate(graph.node):
        node.name = f"#{index}#"
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]
    for info in graph.output:
        info.name = names.get(info.name, info.name)
    del graph.value_info[:], graph.quantization_annotation[:]
    return Model(proto)


Event = dict[str, Any]


def _runs(events: list[Event]) -> list[list[Event]]:
    """Return the kernels of each run in their order, without those inside of the body of another."""
    runs = [event for event in events if event["name"] == "model_run"]
    kernels = [event for event in events if event["cat"] == "Node" and event["name"].endswith(KERNEL)]
    kernels.sort(key=lambda event: (event["ts"], -event["dur"]))
    found: list[list[Event]] = [[] for _ in runs]
    starts = np.array([run["ts"] for run in runs])
    for event in kernels:
        place = int(np.searchsorted(starts, event["ts"], "right")) - 1
        if place < 0:
            continue  # of loading the model
        of_run = found[place]
        if not of_run or event["ts"] >= of_run[-1]["ts"] + of_run[-1]["dur"]:
            of_run.append(event)
    return found


class _Owners:
    """Which node a kernel counts with."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = graph.node
        self._makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
        self._outputs = [next(filter(None, node.output), "") for node in graph.node]

    def shares(self, run: list[Event]) -> dict[str, float]:
        """Add up the kernels of one run by the first output of the node that each counts with."""
        found: dict[str, float] = {}
        owner = 0
        for event in run:
            number = re.search(r"#(\d+)#", event["name"])
            owner = self._computed(int(number[1]), event["args"].get("op_name", "")) if number else owner
            found[self._outputs[owner]] = found.get(self._outputs[owner], 0.0) + event["dur"]
        return found

    def _computed(self, named: int, operator: str) -> int:
        """Return the node that a kernel mostly computes: the name is that of the last node that was fused into it."""
        behind = [named]
        for _ in range(DEEPEST_FUSION):
            for index in behind:
                if self._nodes[index].op_type == operator.removeprefix("Fused"):
                    return index
            inputs = (name for index in behind for name in self._nodes[index].input)
            behind = [self._makers[name] for name in inputs if name in self._makers]
        return named
