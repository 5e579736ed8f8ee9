"""The check, against a tool that is broken on purpose: what any rule says, and any step of slicing, left out or wrong.

One call of one function is broken at a time, on the same small graphs that the rules are tested on. Whatever comes of
it must be refused, or be a model that a sound tool might have made as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from families import FAMILIES, NORMS
from pruning import mask_of
from rule_cases import CASES
from sabotage import APPLY_FAULTS, RULE_FAULTS, Fault, broken

from onnxprune.apply import Changes, apply_masks
from onnxprune.axes import Dim, Mask, keep
from onnxprune.errors import OnnxPruneError
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.rules import RULES
from onnxprune.runtime import Feeds, run
from onnxprune.tracing import Trace, display_name, trace
from onnxprune.verify import verify
from onnxprune.verify.check import _Check
from onnxprune.verify.compare import difference
from onnxprune.verify.rounding import rounds
from onnxprune.verify.twin import masked_twin

DRAWS = 3
NEVER_WRONG_HERE = ("keep_plural",)
"""On these graphs nothing changes its meaning where a single position is left."""

GRAPHS = {**{name: case.model for name, case in CASES.items()}, **FAMILIES}
FAULTS = [*RULE_FAULTS, *APPLY_FAULTS]

RIGHT_AT_THE_SIZES_TRIED = ("constant_of_half_of_a_computed_size", "sum_with_an_axis_that_may_be_broadcast")
"""Graphs in which a dim is frozen for other sizes than those that the check runs: without the freeze it is right here.

Half of 5 channels is 2 of 3; and an axis of 1, computed from an open size, could be as long as the channels.
"""

CAUGHT, SAME, RIGHT, UNNOTICED = "caught", "nothing changed", "right all the same", "unnoticed"
BELOW_A_STEP = "smaller than rounding to integers"
"""A scale that is off by a percent, in a graph that rounds to 8 bits whatever the check leaves out."""

OUTCOMES = (SAME, RIGHT, BELOW_A_STEP, CAUGHT, UNNOTICED)


@pytest.fixture(autouse=True)
def only_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out how the check measures its own power: it decides nothing about a fault, and takes most of the time."""
    monkeypatch.setattr(_Check, "_effects", lambda *_: {})


class Victim:
    """A graph on which faults are tried, and what a sound tool makes of it."""

    def __init__(self, name: str) -> None:
        self.name, self.proto = name, GRAPHS[name]()
        self.allow_norm = name in NORMS
        self.sound = self._traced()
        self.feeds: Feeds = random_feeds(self.sound, concrete_inputs(self.sound.model))

    def _traced(self) -> Trace:
        return trace(Model(self.proto), allow_norm=self.allow_norm)

    @property
    def is_usable(self) -> bool:
        """Whether anything can be pruned, and this onnxruntime has the operators."""
        try:
            run(self.sound.model, self.feeds)
        except OnnxPruneError:
            return False
        return bool(self.sound.dims)

    def ways(self, faults: list[Fault]) -> list[tuple[Fault, int]]:
        """Every call that can be broken: the fault, and which of the calls of its function."""
        with ExitStack() as watched:
            calls = [watched.enter_context(broken(fault, -1)) for fault in faults]
            found = self._traced()
            apply_masks(found, some_masks(found, 0))
        return [(fault, nth) for fault, seen in zip(faults, calls, strict=True) for nth in range(seen.count)]

    def outcome(self, fault: Fault, nth: int) -> str:
        """Break one call, and say what comes of it."""
        found: Trace | None = None
        if fault in RULE_FAULTS:
            with broken(fault, nth):
                found = self._traced()
        seen = [SAME]
        for seed in range(DRAWS):
            seen.append(self._with_masks(fault, nth, found, seed))
            if seen[-1] in (CAUGHT, UNNOTICED):
                break
        return max(seen, key=OUTCOMES.index)

    def _with_masks(self, fault: Fault, nth: int, found: Trace | None, seed: int) -> str:
        dims = found or self.sound
        masks = some_masks(dims, seed)
        try:
            with broken(fault, nth if found is None else -1):
                pruned, changes = apply_masks(dims, masks)
            kept = masks if found is None else masks_that_keep(self.sound, changes)
            expected, _ = apply_masks(self.sound, kept)
            if found is None and content(pruned) == content(expected):
                return SAME
            if content(pruned) == content(expected) and self._is_proved_alike(dims, masks, changes):
                return SAME
            found_right = verify(dims, masks, pruned, self.feeds)
        except OnnxPruneError:
            return CAUGHT
        is_freer = fault.name == "freeze" and self.name in RIGHT_AT_THE_SIZES_TRIED
        if is_freer or self._gives_the_same(expected, pruned):
            return RIGHT
        return BELOW_A_STEP if rounds(pruned) and not found_right.unrounded_twin else UNNOTICED

    def _is_proved_alike(self, found: Trace, masks: dict[Dim, Mask], changes: Changes) -> bool:
        twins = [masked_twin(found, masks), masked_twin(self.sound, masks_that_keep(self.sound, changes))]
        return content(twins[0][0]) == content(twins[1][0])

    def _gives_the_same(self, one: Model, other: Model) -> bool:
        pairs = zip(run(one, self.feeds), run(other, self.feeds), strict=True)
        return all(difference(e, a).relative < 1e-5 for e, a in pairs)


def some_masks(found: Trace, seed: int) -> dict[Dim, Mask]:
    """Random masks; with seed 0 about two thirds of every dim stay."""
    rng, masks = np.random.default_rng(seed), {}
    for dim in found.dims:
        least = found.axes.minimum(dim)
        kept = int(rng.integers(least, max(dim.size, least + 1))) if seed else max(least, dim.size * 2 // 3)
        masks[dim] = mask_of(dim, min(kept, dim.size), rng)
    return masks


def masks_that_keep(sound: Trace, changes: Changes) -> dict[Dim, Mask]:
    """The masks by which a sound tool keeps of each first weight of a dim what was kept of it."""
    masks = {}
    for dim, members in sound.members.items():
        use, place = members[0]
        kept = changes.keep.get(display_name(use.constant), {}).get(str(place))
        if kept is not None:
            without = (keep(use.axes[place], {dim: np.arange(dim.size) != unit}) for unit in range(dim.size))
            masks[dim] = np.array([not positions[kept].all() for positions in without])
    return {dim: mask for dim, mask in masks.items() if mask.any()}


def content(model: Model) -> bytes:
    """A model as bytes."""
    return model.proto.SerializeToString(deterministic=True)


def attempts(names: list[str], faults: list[Fault], share: float) -> Iterator[tuple[str, Fault, int, str]]:
    """Try a share of all ways to break one call on some graphs; yield what was tried and what came of it."""
    rng = np.random.default_rng(0)
    for name in names:
        victim = Victim(name)
        for fault, nth in victim.ways(faults) if victim.is_usable else ():
            if rng.random() < share:
                yield name, fault, nth, victim.outcome(fault, nth)


def tally(tried: Iterator[tuple[str, Fault, int, str]]) -> Counter[str]:
    """Count outcomes; none may be a wrong model that passed."""
    counts: Counter[str] = Counter()
    unnoticed = []
    for name, fault, nth, outcome in tried:
        counts[outcome] += 1
        if outcome is UNNOTICED:
            unnoticed.append(f"{name}: {fault}, call {nth}")
    assert unnoticed == []
    return counts


def test_a_sample_of_faults_is_caught_on_every_fifth_graph() -> None:
    counts = tally(attempts(list(GRAPHS)[::5], FAULTS, share=0.04))
    assert counts[CAUGHT] > 50


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_in_any_call_is_caught_on_every_graph(fault: Fault) -> None:
    counts = tally(attempts(list(GRAPHS), [fault], share=1))
    print(f"{fault}: {dict(counts)}")
    assert counts[CAUGHT] > 0 or fault.name in NEVER_WRONG_HERE


def test_every_family_of_rules_is_among_the_graphs() -> None:
    graphs = (graph for build in GRAPHS.values() for graph in Model(build()).graphs.values())
    operators = {(node.domain, node.op_type) for graph in graphs for node in graph.node}
    families = {rule.__module__ for rule in RULES.values()}
    assert families == {RULES[operator].__module__ for operator in operators if operator in RULES}
