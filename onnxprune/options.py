"""The one configuration object that the CLI fills and the API takes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from onnxprune.errors import UsageError
from onnxprune.granularity import CHANNEL, Blocks, Granularity, Pattern, granularity_of
from onnxprune.limits import Limit, limit_of
from onnxprune.targets import DEFAULT, Target, find

N = TypeVar("N", int, float)

BUDGETS = ("params", "macs", "latency", "size", "channels")
SCOPES = ("global", "kind", "layer", "erk")
SYNTHETIC, NONE, AUTO = "synthetic", "none", "auto"

CEILINGS = ("target_params", "target_macs", "target_latency", "target_size")
"""What may remain at most."""

LONGEST = 10_000
"""Characters of an option that is read from a plan."""

ONLY_FOR_CHANNELS = ("budget", "round_to", "min_channels", "allow_norm", "sensitivity", *CEILINGS)
ONLY_FOR_ZEROS = ("permute",)
"""Options that mean nothing with another granularity."""


@dataclass(frozen=True)
class Options:
    """What to remove and how. Validated when made; raises `UsageError` for what can never be met.

    `target` names the runtime that the model goes to. `target_params` and the like are the most that may remain: a
    number with a unit (2M, 1.5G, 8ms, 10MB), or a multiple of what the dense model has (0.5x). Widths are multiples of
    `round_to`: a number, `auto` for what suits the target, or `none`. With `simplify` the model is simplified first.
    """

    amount: float = None  # type: ignore[assignment]  # None: `default_amount`, or 0 where there is a ceiling
    budget: str = "params"
    criterion: str = "auto"
    scope: str = "global"
    round_to: int | str = AUTO
    min_channels: int = 1
    max_layer_amount: float | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    best_effort: bool = False
    allow_norm: bool = False
    seed: int = 0
    recover: str = "auto"
    max_drop: float | None = None
    metric: str = "auto"
    judged_output: str | None = None
    granularity: str = CHANNEL
    permute: bool = True
    sparse_storage: bool = False
    target_params: str | None = None
    target_macs: str | None = None
    target_latency: str | None = None
    target_size: str | None = None
    sensitivity: str | None = None
    target: str = DEFAULT
    simplify: bool = False

    def __post_init__(self) -> None:
        granularity = granularity_of(self.granularity)
        find(self.target)
        if self.amount is None:
            object.__setattr__(self, "amount", 0.0 if self.ceilings() else default_amount(granularity))
        if math.isnan(self.amount) or not 0 <= self.amount < 1:
            raise UsageError(f"--amount {self.amount}: it must be at least 0 and below 1, such as 0.4 for 40%")
        _one_of("--budget", self.budget, BUDGETS)
        _one_of("--scope", self.scope, SCOPES)
        if self.round_to not in (AUTO, NONE) and (not isinstance(self.round_to, int) or self.round_to < 1):
            raise UsageError(f"--round-to {self.round_to}: it must be auto, none, or a number from 1 up")
        if self.min_channels < 1:
            raise UsageError("--min-channels must be at least 1")
        if self.max_layer_amount is not None and not 0 < self.max_layer_amount <= 1:
            raise UsageError(f"--max-layer-amount {self.max_layer_amount}: it must be above 0 and at most 1")
        if self.max_drop is not None and not 0 <= self.max_drop < math.inf:
            raise UsageError(f"--max-drop {self.max_drop}: it must be a number from 0 up, such as 0.01 for one percent")
        if self.max_drop is not None and self.ceilings():
            raise UsageError("--max-drop searches for the amount: it cannot be used with --target-params and the like")
        self._check_granularity(granularity)

    def _check_granularity(self, granularity: Granularity | None) -> None:
        """Refuse what has no meaning for a granularity, rather than leave it out in silence."""
        defaults = {field.name: field.default for field in fields(Options)}
        meaningless: tuple[str, ...] = ONLY_FOR_CHANNELS
        if granularity is None:
            meaningless = ONLY_FOR_ZEROS
        if isinstance(granularity, Pattern):
            meaningless = (*ONLY_FOR_CHANNELS, "scope", "max_layer_amount", "max_drop")
        for name in meaningless:
            if getattr(self, name) != defaults[name]:
                option = f"--{'no-' * (name == 'permute')}{name.replace('_', '-')}"
                raise UsageError(f"{option} means nothing with --granularity {self.granularity}")
        if isinstance(granularity, Pattern) and self.amount != granularity.share:
            raise UsageError(f"--amount {self.amount}: {granularity} takes none, its share of zeros is fixed")
        if (granularity is None and self.scope == "erk") or (granularity is not None and self.scope == "kind"):
            raise UsageError(f"--scope {self.scope} means nothing with --granularity {self.granularity}")

    @property
    def runtime(self) -> Target:
        """What is known of the runtime that the model goes to."""
        return find(self.target)

    @property
    def zeros(self) -> Granularity | None:
        """Which weights become zero together; None where whole channels go instead."""
        return granularity_of(self.granularity)

    @property
    def width(self) -> int:
        """The number that widths must be multiples of where `round_to` is not auto."""
        return self.round_to if isinstance(self.round_to, int) else 1

    def ceilings(self) -> list[Limit]:
        """Return what may remain at most, as far as it was given. Raises `UsageError` for what makes no sense."""
        given = ((name.removeprefix("target_"), getattr(self, name)) for name in CEILINGS)
        return [limit_of(measure, text) for measure, text in given if text is not None]

    def limits(self) -> list[Limit]:
        """Return everything that must hold: the amount of the budget, unless there are ceilings only, and those."""
        ceilings = self.ceilings()
        asked = [Limit(self.budget, 1 - self.amount, is_relative=True)] if self.amount or not ceilings else []
        return asked + ceilings

    @staticmethod
    def of(request: dict[str, Any]) -> Options:
        """Return the options that were written into a plan; unknown ones, from another version, are left out."""
        kinds, defaults = get_type_hints(Options), {field.name: field.default for field in fields(Options)}
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in request.items() if k in kinds}
        for name, value in values.items():
            is_long = len(str(value)) > LONGEST or not str(value).isprintable()
            if is_long or (value is not defaults[name] and not _is_of(value, kinds[name])):
                raise UsageError(f"{name} has a value of the wrong kind: {str(value)[:100]!r}")
        return Options(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return the options as plain data, for the plan and the report."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class DataOptions:
    """Which samples to look at the model on, and how they are read. Raises `UsageError` where it makes no sense.

    `calibration` is a file, a folder, `module:function`, `synthetic`, `none`, or `auto`: made-up samples for channels
    and N:M, none where single elements or blocks become zero. `samples` is at most so many, and
    `batch_size` how many go into one run where the model leaves that open. `labels` is a key of an .npz. `mean`, `std`,
    `peak`, `layout` and `resize` say how pixels become what the model takes; `input_range` what synthetic samples span.
    `memory_limit` is how many bytes of activations may be held between two layers.
    """

    calibration: str = AUTO
    samples: int | None = None
    batch_size: int | None = None
    labels: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    peak: float = 1.0
    layout: str = "auto"
    resize: tuple[int, int] | None = None
    input_range: tuple[float, float] | None = None
    memory_limit: int = 2 << 30

    def __post_init__(self) -> None:
        for option, value in (("--samples", self.samples), ("--batch-size", self.batch_size)):
            if value is not None and value < 1:
                raise UsageError(f"{option} {value}: it must be at least 1")
        if self.memory_limit < 0:
            raise UsageError("--memory-limit must not be negative")
        if self.input_range is not None and not self.input_range[0] < self.input_range[1]:
            raise UsageError("--input-range: the first number must be below the second, such as 0,255")

    def resolved(self, granularity: Granularity | None) -> DataOptions:
        """Return these options with `auto` put into words for a granularity."""
        if self.calibration != AUTO:
            return self
        return replace(self, calibration=NONE if isinstance(granularity, Blocks) else SYNTHETIC)


@dataclass(frozen=True)
class LatencyOptions:
    """How latency is measured, and what follows from it. Raises `UsageError` where it makes no sense.

    `threads` is how many work on one operator, `shapes` the shapes of inputs by name, and `profile` a table of measured
    times to choose by, from `onnxprune profile`. With `bench` the result is measured against the dense model, which is
    also done where latency is limited; one that is not faster is an error unless `allow_slower`. `seconds` is about how
    long that takes.
    """

    threads: int = 1
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    profile: str | None = None
    bench: bool = False
    allow_slower: bool = False
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise UsageError(f"--threads {self.threads}: it must be at least 1")
        if not 0 < self.seconds < math.inf:
            raise UsageError(f"--seconds {self.seconds}: it must be above 0")


def default_amount(granularity: Granularity | None) -> float:
    """Return what `--amount` is where nobody says it: one half, or what the pattern says for N:M."""
    return granularity.share if isinstance(granularity, Pattern) else 0.5


def split_options(given: dict[str, Any]) -> tuple[Options, DataOptions, LatencyOptions]:
    """Return what was given by name as the objects. Raises `UsageError` for a name that none of them has."""
    kinds = (Options, DataOptions, LatencyOptions)
    names = [{field.name for field in fields(kind)} for kind in kinds]
    if unknown := given.keys() - set().union(*names):
        raise UsageError(f"no option '{min(unknown)}'; there are: {', '.join(sorted(set().union(*names)))}")
    first, second, third = ({name: given[name] for name in own & given.keys()} for own in names)
    return Options(**first), DataOptions(**second), LatencyOptions(**third)


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value that was read from a file is of the declared kind of an option, and None apart."""
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    wanted = {kind, *get_args(kind)}
    return type(value) in wanted or (float in wanted and type(value) is int)


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{option} {value}: it must be one of {', '.join(allowed)}")


def width_rule(text: str) -> int | str:
    """Read what `--round-to` says: auto, none, or a number. `Options` refuses anything else."""
    return int(text) if re.fullmatch(r"-?\d+", text.strip(), re.ASCII) else text


def numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    """Read numbers that commas separate. Raises `UsageError`."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} {text}: give numbers with commas between, such as 0.485,0.456,0.406") from None


def pair(option: str, text: str | None, kind: Callable[[float], N]) -> tuple[N, N] | None:
    """Read two numbers that a comma separates. Raises `UsageError`."""
    found = numbers(option, text)
    if found is None:
        return None
    if len(found) != 2:
        raise UsageError(f"{option} {text}: give two numbers with a comma between, such as 224,224")
    return kind(found[0]), kind(found[1])


def size(option: str, text: str) -> int:
    """Read a number of bytes, such as 500MB or 2GB. Raises `UsageError`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise UsageError(f"{option} {text}: give a number of bytes, such as 500MB or 2GB")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))
