"""Rows of tables, as figures; how they are written is the template's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any


@dataclass(frozen=True)
class Change:
    """A quantity before and after; `kind` says how it is written: count, bytes, or ms."""

    name: str
    before: float
    after: float
    kind: str = "count"
    measured: float | None = None

    @property
    def kept(self) -> float | None:
        """The share that is left; what was measured, round by round, rather than a ratio of medians."""
        return self.measured or (self.after / self.before if self.before else None)


def summary_rows(data: Mapping[str, Any]) -> list[Change]:
    """Return what changed as a whole."""
    return list(_summary(data))


def _summary(data: Mapping[str, Any]) -> Iterator[Change]:
    yield Change("parameters", data["params"]["before"], data["params"]["after"])
    yield Change("MACs", data["macs"]["before"], data["macs"]["after"])
    if (zeros := data.get("sparsity")) is not None:
        size = zeros["weights"]
        yield Change("weights not zero", size - (zeros["zeros"]["before"] or 0), size - zeros["zeros"]["after"])
    for key, name in (("bytes", "file"), ("compressed", "compressed")):
        if data.get(key):
            yield Change(name, data[key]["before"], data[key]["after"], "bytes")
    if latency := data.get("latency"):
        dense, pruned = (latency["contestants"][name]["median_ms"] for name in ("dense", "pruned"))
        yield Change("latency", dense, pruned, "ms", latency["ratios"]["pruned"]["value"])


def pruned_dims(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the dims that lost units, those that lost the largest share first."""
    pruned = [dim for dim in data.get("dims") or () if dim["kept"] < dim["size"]]
    return sorted(pruned, key=lambda dim: dim["kept"] / dim["size"])


def zero_rows(sparsity: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the weights with their shares of zeros, in the order of the graph."""
    return [{**layer, "size": prod(layer["shape"])} for layer in sparsity["layers"]]


def findings_by_need(target: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the findings in two heaps: those that ask for something, the required ones first, and the others."""
    order = ("not met", "advised")
    open_ones = [finding for status in order for finding in target["findings"] if finding["status"] == status]
    return {"open": open_ones, "other": [f for f in target["findings"] if f["status"] not in order]}


def reasons(not_pruned: list[Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """Return why axes stayed as they are with the names of all it is true of, the most frequent reason first."""
    heaps: dict[str, list[str]] = {}
    for entry in not_pruned:
        heaps.setdefault(entry["reason"], []).append(entry["name"])
    return sorted(heaps.items(), key=lambda item: -len(item[1]))
