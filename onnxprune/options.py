"""The one configuration object that the CLI fills and the API takes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from onnxprune.errors import UsageError

BUDGETS = ("params", "macs", "channels")
SCOPES = ("global", "layer")


@dataclass(frozen=True)
class Options:
    """What to remove and how. Validated when made; raises `UsageError` for what can never be met."""

    amount: float = 0.5
    budget: str = "params"
    criterion: str = "l2"
    scope: str = "global"
    round_to: int = 1
    min_channels: int = 1
    max_layer_amount: float | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    best_effort: bool = False
    allow_norm: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if math.isnan(self.amount) or not 0 <= self.amount < 1:
            raise UsageError(f"--amount {self.amount}: it must be at least 0 and below 1, such as 0.4 for 40%")
        _one_of("--budget", self.budget, BUDGETS)
        _one_of("--scope", self.scope, SCOPES)
        if self.round_to < 1 or self.min_channels < 1:
            raise UsageError("--round-to and --min-channels must be at least 1")
        if self.max_layer_amount is not None and not 0 < self.max_layer_amount <= 1:
            raise UsageError(f"--max-layer-amount {self.max_layer_amount}: it must be above 0 and at most 1")

    @staticmethod
    def of(request: dict[str, Any]) -> Options:
        """Return the options that were written into a plan; unknown ones, from another version, are left out."""
        known = {field.name for field in fields(Options)}
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in request.items() if k in known}
        return Options(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return the options as plain data, for the plan and the report."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{option} {value}: it must be one of {', '.join(allowed)}")
