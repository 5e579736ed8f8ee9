"""Running a model forward in stages, so that what was computed once need not be computed again.

While a model is repaired layer by layer, the layers before the one at hand are as they will be: their results stand.
So the tensors on the cut between what was computed and what was not are kept, and the next stage starts there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from onnxprune.calibrate.memory import Shares
from onnxprune.calibrate.parts import Parts
from onnxprune.model import Model
from onnxprune.runtime import Feeds, Session


class Stages:
    """A model, and its state after the last stage for every batch.

    The state is kept as long as it takes no more than its share of `memory_limit`; otherwise the next stage starts
    where the last one did. Weights of nodes that no stage has computed may be changed in between.
    """

    def __init__(self, model: Model, types: Mapping[str, int], batches: Sequence[Feeds], memory_limit: int) -> None:
        """`types` holds the element types of tensors; each of `batches`, one at least, is what a run is fed."""
        self._parts = Parts(model, types, batches[0].keys())
        self._limit = Shares(memory_limit).kept
        self._batches = self._state = batches
        self._done: set[int] = set()

    def advance(self, names: Sequence[str]) -> Iterator[Feeds]:
        """Run as far as the named tensors, none of them an initializer, and yield them, batch by batch.

        What is yielded is empty again when the next is asked for, which has to find room in memory.
        Where one lies before the state, and nothing after the state reads it, everything starts again.
        """
        known = set(self._state[0])
        nodes = self._parts.between(known, names)
        done = self._done.union(nodes)
        cut = self._parts.cut(known, done)
        computed = [name for name in dict.fromkeys([*names, *cut]) if name not in known]
        part, inputs = self._parts.part(nodes, computed)
        lost = [name for name in (*inputs, *names) if name not in known and self._parts.makers.get(name) not in nodes]
        if lost and self._done:
            self._state, self._done = self._batches, set()
            yield from self.advance(names)
            return
        session = Session(part, computed) if computed else None
        state: list[Feeds] | None = []
        taken = 0.0
        for batch in self._state:
            values: dict[str, Any] = dict(batch)
            results: list[Any] = []
            if session is not None:
                results = session.run({name: batch[name] for name in inputs})
                values.update(zip(computed, results, strict=True))
            wanted = {name: values[name] for name in names}
            yield wanted
            wanted.clear()
            if state is not None:
                state.append({name: values[name] for name in cut})
                taken += sum(_bytes(values[name]) for name in cut)
                state = state if taken <= self._limit else None
            values.clear()
            results = []
        if state is not None:
            self._state, self._done = state, done


def _bytes(value: Any) -> float:
    """Return what a value takes; what is no tensor (a sequence) cannot be fed again, and is more than can be kept."""
    return value.nbytes if isinstance(value, np.ndarray) else math.inf
