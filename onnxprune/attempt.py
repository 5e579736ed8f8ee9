"""One attempt: slice by some masks, verify, repair, judge. A search for the largest amount makes several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from onnxprune.apply import Changes, apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.calibrate import Calibration
from onnxprune.errors import DataError, UnsupportedError, VerificationError
from onnxprune.evaluate import Judge, Judgement
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.phases import Phases
from onnxprune.recover import Recovery, Repair, repair
from onnxprune.runtime import Feeds
from onnxprune.tracing import Trace
from onnxprune.verify import Verification, verify

MAX_TRIES = 5
"""Random inputs to try for a model that makes choices: one on which none of them is a close call proves it."""


class Check(Protocol):
    """How a result was shown to be right."""

    @property
    def verdict(self) -> str:
        """In a word."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the report."""


@dataclass(frozen=True)
class Attempt:
    """A pruned model, and how it was proved, repaired and judged as far as that was asked for."""

    pruned: Model
    changes: Changes
    verification: Check | None
    repair: Repair | None
    judgement: Judgement | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workshop:
    """What slicing, proving, repairing and judging take.

    `recovery` and `samples` are None where nothing is repaired, and `judge` where there is nothing to judge by; where
    `must_judge` is off, outputs that cannot be compared are only warned about. `feeds` are the inputs to verify on, if
    any were given.
    """

    phases: Phases
    recovery: Recovery | None
    samples: Calibration | None
    judge: Judge | None
    must_judge: bool
    memory_limit: int
    feeds: Feeds | None
    seed: int

    def attempt(self, found: Trace, masks: Mapping[Dim, Mask], check: bool) -> Attempt:
        """Make the pruned model of some masks; with `check`, prove it before it is repaired."""
        self.phases.enter("slicing")
        pruned, changes = apply_masks(found, masks)
        verification = self.verified(found, masks, pruned) if check else None
        repaired = None
        if self.recovery is not None and self.samples is not None and not all(mask.all() for mask in masks.values()):
            self.phases.enter("repairing")
            pruned, repaired = repair(
                found, masks, pruned, self.samples, self.recovery, self.memory_limit, self.phases.advance
            )
            changes.recovered += repaired.recovered
            changes.added += repaired.added
        judgement, warnings = self.judged(pruned)
        return Attempt(pruned, changes, verification, repaired, judgement, warnings)

    def verified(self, found: Trace, masks: Mapping[Dim, Mask], pruned: Model) -> Verification:
        """Verify on given inputs, or on random ones: on others where a choice in the model fell differently."""
        self.phases.enter("verifying")
        if self.feeds is not None:
            return verify(found, masks, pruned, self.feeds)
        for attempt in range(MAX_TRIES - 1):
            try:
                return verify(found, masks, pruned, usable_feeds(found, self.seed + attempt))
            except VerificationError as error:
                if not error.after_a_choice:
                    raise
        return verify(found, masks, pruned, usable_feeds(found, self.seed + MAX_TRIES - 1))

    def judged(self, pruned: Model) -> tuple[Judgement | None, tuple[str, ...]]:
        """Compare the outputs with the dense model's; running the model also shows that it loads after the repair."""
        if self.judge is None:
            return None, ()
        self.phases.enter("judging")
        try:
            return self.judge.judge(pruned, lambda done, total: self.phases.advance(done / total)), ()
        except (DataError, UnsupportedError) as error:
            if self.must_judge:
                raise
            return None, (f"the outputs were not compared: {error}",)
