"""What is left of a model's accuracy at one measured latency, whichever way it was brought there.

The latency budget is given the target; the amount of a MAC budget, and the ratio of Torch-Pruning, are searched until
the measured latency is the same. Where the widths at hand do not come that close, the next slower version stands in,
which has more of the model left. In the end all versions are raced side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from peers import MODELS as WITH_PEER
from tasks import Task, images
from tasks.task import AnyModel

from onnxprune.apply import apply_masks
from onnxprune.bench import race
from onnxprune.calibrate import Calibration
from onnxprune.channels import Channels
from onnxprune.cost import cost_of
from onnxprune.criteria import needs_of
from onnxprune.errors import OnnxPruneError
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.options import AUTO, NONE, DataOptions, Options
from onnxprune.phases import Phases
from onnxprune.pipeline import LATENCY, WITHOUT_DATA, apply_plan, read
from onnxprune.plan import Plan
from onnxprune.run import Run
from onnxprune.runtime import Feeds
from onnxprune.tracing import trace

TARGETS = (0.7, 0.5, 0.35)
"""Latencies, as shares of the dense model's."""

CRITERIA = ("obs", "lamp")
"""The defaults with samples and without."""

TREATMENTS = (NONE, "batchnorm", AUTO)
STEPS = 8
"""Bisections of an amount at most."""

SAME, CLOSE = 0.02, 0.005
"""How far latencies may be apart and count as the same, and where a search stops."""

SEARCH_SECONDS, SECONDS = 1.5, 20.0
"""How long models are raced for one step of a search, and in the end."""

DENSE = "dense"


@dataclass(frozen=True)
class Version:
    """A pruned model, and the models it becomes by treatments that leave its latency as it is, by their names."""

    amount: float
    model: Model
    treated: Callable[[], Mapping[str, AnyModel]]


def equal_latency(name: str, target: float) -> dict[str, Any]:
    """Bring a model to a share of its latency in every way, and score what each treatment makes of it."""
    task = images.task(name)
    latency = _Latency(task)
    versions: dict[str, Version] = {}
    for criterion in CRITERIA:
        wanted = versions[f"latency {criterion}"] = _Budget(task, "latency", criterion).at(1 - target)
        goal = latency.of(wanted.model)
        versions[f"macs {criterion}"] = latency.search(_Budget(task, "macs", criterion).at, goal)
    if name in WITH_PEER and find_spec("torch_pruning"):
        goal = latency.of(versions[f"latency {CRITERIA[0]}"].model)
        for scope in ("global", "local"):
            versions[f"Torch-Pruning {scope}"] = latency.search(_peer(task, scope == "global"), goal)
    models = {DENSE: latency.dense, **{way: version.model for way, version in versions.items()}}
    seen = race(models, latency.feeds, seconds=SECONDS)
    rows = {way: {**_row(task, version), **seen.ratio(way).as_dict()} for way, version in versions.items()}
    shapes = {name: list(values.shape) for name, values in latency.feeds.items()}
    return {"wanted": target, "dense": task.score(task.model)["accuracy"], "shapes": shapes, "ways": rows}


class _Latency:
    """Measures versions of a task's model against it, all on the same inputs."""

    def __init__(self, task: Task) -> None:
        self.dense = read(task.model)
        self.feeds: Feeds = usable_feeds(trace(self.dense))

    def of(self, model: Model) -> float:
        """Return the latency of a version as a share of the dense model's."""
        return race({DENSE: self.dense, "version": model}, self.feeds, seconds=SEARCH_SECONDS).ratio("version").value

    def search(self, at: Callable[[float], Version], goal: float) -> Version:
        """Return the version whose latency is the goal, or else the next slower one, by bisecting the amount."""
        low, high = 0.0, 1.0
        found: list[tuple[float, Version]] = []
        for _ in range(STEPS):
            amount = (low + high) / 2
            version = at(amount)
            excess = self.of(version.model) / goal - 1
            found.append((excess, version))
            if abs(excess) < CLOSE:
                break
            low, high = (amount, high) if excess > 0 else (low, amount)
        slow_enough = [attempt for attempt in found if attempt[0] >= -SAME]
        return min(slow_enough or found, key=lambda attempt: abs(attempt[0]))[1]


class _Budget:
    """Prunes a task's model within a budget, by a criterion that looks at its samples if it needs any."""

    def __init__(self, task: Task, budget: str, criterion: str) -> None:
        data: DataOptions | Calibration = task.calibration(0) if needs_of(criterion) else WITHOUT_DATA
        options = Options(budget=budget, criterion=criterion, recover=NONE, best_effort=True)
        self._task, self._options = task, options
        self._run = Run(read(task.model), options, None, data, Phases(), LATENCY)
        self._way = Channels(self._run)

    def at(self, amount: float) -> Version:
        """Return the model without such a share of what the budget is on."""
        masks = self._way.choose(amount).masks
        model, changes = apply_masks(self._run.dense, masks)
        plan = Plan.make(self._run.dense, masks, changes, self._options.as_dict())
        return Version(amount, model, lambda: {name: self._treated(plan, name) for name in TREATMENTS})

    def _treated(self, plan: Plan, recover: str) -> AnyModel:
        plan = replace(plan, request={**plan.request, "recover": recover})
        return apply_plan(plan, self._task.model, check=False, data=self._task.calibration(0)).model


def _peer(task: Task, is_global: bool) -> Callable[[float], Version]:
    from latency_peer import Peer

    peer = Peer(task, is_global)
    return lambda ratio: Version(ratio, read(peer.pruned(ratio)), lambda: peer.treated(ratio))


def _row(task: Task, version: Version) -> dict[str, Any]:
    """Return the shares of MACs and parameters that are left, and the accuracy after each treatment."""
    dense, cost = cost_of(trace(read(task.model))), cost_of(trace(version.model))
    shares = {name: cost.measures[name].dense / dense.measures[name].dense for name in ("macs", "params")}
    try:
        accuracy = {name: task.score(model)["accuracy"] for name, model in version.treated().items()}
    except OnnxPruneError as error:
        return {"amount": version.amount, **shares, "error": str(error)}
    return {"amount": version.amount, **shares, "accuracy": accuracy}
