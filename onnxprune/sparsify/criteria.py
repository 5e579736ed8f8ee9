"""Element criteria: what each weight of a stored constant is worth. One function with one decorator each.

A criterion gives non-negative scores in the shape of the weights; those with the lowest become zero. For blocks the
scores are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.criteria import Needs
from onnxprune.errors import UsageError
from onnxprune.sparsify.weights import Weight

Array = NDArray[Any]

ALIASES = {"sparsegpt": "obs"}


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at beyond the numbers of a weight.

    `norms` holds, by the name of a weight, the root mean square of the input that each number meets, in a shape that
    broadcasts to the weight's; weights whose inputs were not looked at are not in it.
    """

    weight: Weight
    seed: int
    norms: Mapping[str, Array]


Score: TypeAlias = "Callable[[Array, Evidence], Array]"
"""(weights in real numbers, evidence) -> scores, float32 in the same shape."""


@dataclass(frozen=True)
class ElementCriterion:
    """A criterion for single weights.

    `by_element`: the score of a number depends on it alone, so that a weight may be scored in parts. `is_global`:
    scores of different weights can be ranked together; otherwise `sparsify.lamp` says how many go of each.
    """

    name: str
    score: Score
    needs: Needs
    by_element: bool
    is_global: bool


CRITERIA: dict[str, ElementCriterion] = {}


def element_criterion(
    name: str, needs: Needs = Needs.WEIGHTS, by_element: bool = False, is_global: bool = True
) -> Callable[[Score], Score]:
    """Register a function `(weights, evidence) -> scores` as the element criterion `name`."""

    def register(score: Score) -> Score:
        if name in CRITERIA:
            raise ValueError(f"two element criteria named {name}")
        CRITERIA[name] = ElementCriterion(name, score, needs, by_element, is_global)
        return score

    return register


def find(name: str) -> ElementCriterion:
    """Return the criterion of a name. Raises `UsageError` for an unknown one."""
    name = ALIASES.get(name, name)
    if name not in CRITERIA:
        raise UsageError(f"--criterion {name} is none for single weights; there are: {', '.join(sorted(CRITERIA))}")
    return CRITERIA[name]


def best_criterion(with_data: bool) -> str:
    """Return the criterion that the benchmarks show best with or without samples (docs/benchmarks.md)."""
    return "obs" if with_data else "lamp"


@element_criterion("l1", by_element=True)
def l1(weights: Array, evidence: Evidence) -> Array:
    """Return |w|: magnitude pruning (Han et al., "Learning both Weights and Connections", 2015)."""
    return np.abs(weights)


@element_criterion("l2", by_element=True)
def l2(weights: Array, evidence: Evidence) -> Array:
    """Return w^2, which ranks single weights as `l1` does, and blocks by their Euclidean norm."""
    return np.square(weights)


@element_criterion("random")
def random(weights: Array, evidence: Evidence) -> Array:
    """Return random numbers, the same for the same seed and name; 0 for zeros, which stay."""
    name = evidence.weight.name.encode()
    drawn = np.random.default_rng((evidence.seed, *name)).random(weights.shape, np.float32)
    return np.where(weights == 0, np.float32(0), drawn)


@element_criterion("lamp", by_element=True, is_global=False)
def lamp(weights: Array, evidence: Evidence) -> Array:
    """Return |w|: how many go of each weight, and so what LAMP is, says `sparsify.lamp`."""
    return np.abs(weights)


@element_criterion("wanda", needs=Needs.MOMENTS, is_global=False)
def wanda(weights: Array, evidence: Evidence) -> Array:
    """Return |w| times the norm of the input that it meets.

    Sun et al., "A Simple and Effective Pruning Approach for Large Language Models" (Wanda), 2023, equation 1, with a
    root mean square for the norm. Magnitude alone where the inputs of a weight were not looked at.
    """
    return np.asarray(np.abs(weights) * evidence.norms.get(evidence.weight.name, np.float32(1)), np.float32)


@element_criterion("obs", needs=Needs.COVARIANCES, is_global=False)
def obs(weights: Array, evidence: Evidence) -> Array:
    """Return w^2 times the mean square of the input that it meets.

    This is the loss of w alone, without repair. It stands in for weights that `sparsify.obs`, which chooses layer after
    layer by the loss that is left after repair, cannot reach.
    """
    return np.asarray(np.square(weights * evidence.norms.get(evidence.weight.name, np.float32(1))), np.float32)
