"""Choosing zeros: how many numbers of each weight go, and which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from onnxprune.granularity import Blocks, Granularity, Pattern
from onnxprune.model import ConstantKey
from onnxprune.options import Options
from onnxprune.scales import Scales
from onnxprune.sparsify import schedule
from onnxprune.sparsify.criteria import ElementCriterion, Evidence, find
from onnxprune.sparsify.lamp import LampScores
from onnxprune.sparsify.ranking import Scores
from onnxprune.sparsify.threshold import Cut
from onnxprune.sparsify.weights import Weights
from onnxprune.sparsify.write import Zeroing
from onnxprune.tracing import Trace

Array = NDArray[Any]


@dataclass(frozen=True)
class Choice:
    """What becomes zero: by weight, out of `size` numbers of all weights; `is_planned` where a plan says it."""

    zeroings: Mapping[ConstantKey, Zeroing]
    size: int
    is_planned: bool = False

    @property
    def reached(self) -> float:
        """The share that becomes zero."""
        return sum(zeroing.zeros for zeroing in self.zeroings.values()) / self.size if self.size else 0.0


@dataclass(frozen=True)
class Chooser:
    """The weights of a traced model, and by what zeros are chosen in them."""

    trace: Trace
    weights: Weights
    granularity: Granularity
    criterion: ElementCriterion
    norms: Mapping[str, Array]
    options: Options
    on_progress: Callable[[float], None]

    def choose(self, amount: float) -> Choice:
        """Choose zeros: the pattern's, or as many as `amount` of all numbers."""
        scores = self.scored_by(self.criterion.name)
        if isinstance(self.granularity, Pattern):
            zeroings = [self._patterned(each, self.granularity) for each in scores]
        else:
            assert isinstance(self.granularity, Blocks)
            size = self.granularity.size
            zeroings = [
                Zeroing(each.weight, each.rows, partial(each.below, cut=cut), cut.zeros * size)
                for each, cut in zip(scores, self._cuts(scores, amount, size), strict=True)
            ]
        return Choice({zeroing.weight.key: zeroing for zeroing in zeroings}, self.weights.size)

    def _patterned(self, scores: Scores, pattern: Pattern) -> Zeroing:
        zeros = round(scores.weight.size * pattern.share)
        return Zeroing(scores.weight, scores.rows, partial(scores.patterned, pattern=pattern), zeros)

    def _cuts(self, scores: list[Scores], amount: float, size: int) -> list[Cut]:
        """Return how many go of each weight by the schedule, and below which score."""
        wanted = round(amount * self.weights.size / size)
        most = 1.0 if self.options.max_layer_amount is None else self.options.max_layer_amount
        if self.options.scope == "layer":
            return schedule.evenly(scores, wanted, most)
        if self.options.scope == "erk":
            return schedule.by_fan(self.weights.found, scores, wanted, most)
        if self.criterion.is_global:
            return schedule.by_ranking(scores, wanted, most, self.on_progress)
        lamp = [LampScores(squares) for squares in self.scored_by("l2")]
        rates = schedule.by_ranking(lamp, wanted, most, self.on_progress)
        return schedule.each(scores, [rate.zeros for rate in rates])

    def scored_by(self, criterion: str) -> list[Scores]:
        """Return what the numbers of each weight are worth by a criterion."""
        model, scales, by = self.trace.model, Scales(self.trace), find(criterion)
        return [
            Scores(model, weight, scales, by, self.granularity, Evidence(weight, self.options.seed, self.norms))
            for weight in self.weights.found
        ]
