"""What a run was asked for, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

BUDGETS = {"params": "parameters", "macs": "MACs", "latency": "latency", "size": "file", "channels": "channels"}


def asked(data: Mapping[str, Any]) -> str:
    """Return one line: how much of what was to go, within what, for which target."""
    return "; ".join(_parts(data, data.get("options") or {}))


def _parts(data: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    yield _how_much(data, options)
    if target := (data.get("target") or {}).get("title"):
        yield f"for {target}"
    if criterion := options.get("criterion"):
        yield f"chosen by {criterion}"
    if recover := options.get("recover"):
        yield f"repaired by {recover}" if recover != "none" else "no repair"
    if (seed := options.get("seed")) is not None:
        yield f"seed {seed}"


def _how_much(data: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    granularity = options.get("granularity", "channel")
    if (allowed := options.get("max_drop")) is not None:
        what = "as much as possible" if granularity == "channel" else f"as many {granularity} zeros as possible"
        return f"{what} within a drop of {allowed:g}"
    if granularity not in ("channel", "element"):
        return f"{granularity} zeros in every weight that can have them"
    limits = data.get("limits") or [data["amount"]]
    named = [_percent(limit["requested"]) for limit in limits]
    if granularity == "element":
        return f"{named[0]} of the weights set to zero"
    kinds = [BUDGETS.get(limit["budget"], limit["budget"]) for limit in limits]
    return "remove " + " and ".join(f"{share} of the {kind}" for share, kind in zip(named, kinds, strict=True))


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def file_of(data: Mapping[str, Any]) -> str:
    """Return the name of the model that was pruned, or of what came of it, or nothing where neither is known."""
    provenance = data.get("provenance") or {}
    named = (provenance.get("input") or {}).get("file") or data.get("output")
    return PurePath(str(named).replace("\\", "/")).name if named else ""
