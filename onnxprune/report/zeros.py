"""The report of a run that put zeros into weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod

from onnxprune.report.data import Before, Facts, Report, added_params, common, warnings_of
from onnxprune.report.layers import layers_of


@dataclass(frozen=True)
class Zeroed:
    """How many numbers of one weight are zero now, and were before: None where the weight was not read yet."""

    name: str
    shape: tuple[int, ...]
    zeros_before: int | None
    zeros: int

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)


def report_of_zeros(
    facts: Facts, zeroed: Sequence[Zeroed], left: Mapping[str, str], orders: Mapping[str, int]
) -> Report:
    """Collect the facts of a finished run.

    `left` says why other weights stay as they are, `orders` which dims have their units in another order, and how many
    units these are.
    """
    params, macs = facts.cost.params({}), facts.cost.macs({})
    report = common(
        facts,
        params=Before(params, params + added_params(facts)),
        macs=Before(macs, macs),
        amount={"requested": facts.options.amount, "reached": 0.0, "budget": "weights"},
    )
    report.layers = layers_of(facts.trace, facts.cost, {})
    permuted = [{"name": name, "size": units} for name, units in orders.items()]
    report.sparsity = {"granularity": facts.options.granularity, "permuted": permuted}
    count(report, zeroed)
    report.not_pruned = [{"name": name, "reason": reason} for name, reason in left.items()]
    report.warnings.extend(warnings_of(facts, report))
    if facts.samples is None and any(layer.zeros for layer in zeroed):
        report.warnings.append(
            "nothing protected the accuracy, and it was not looked at: weights were zeroed by what they are alone; "
            "some 500 unlabelled samples (--calibration FOLDER), or made-up ones (--calibration synthetic), repair the "
            "rest and show what is lost"
        )
    return report


def count(report: Report, zeroed: Sequence[Zeroed]) -> None:
    """Put into a report how many zeros there are."""
    size, after = sum(layer.size for layer in zeroed), sum(layer.zeros for layer in zeroed)
    known = [layer.zeros_before for layer in zeroed if layer.zeros_before is not None]
    before = sum(known) if len(known) == len(zeroed) else None
    assert report.sparsity is not None
    report.sparsity |= {
        "weights": size,
        "zeros": {"before": before, "after": after},
        "layers": [{**asdict(layer), "shape": list(layer.shape)} for layer in zeroed],
    }
    report.amount["reached"] = after / size if size else 0.0
