"""What a page shows, section by section: one that has nothing to show is None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from onnxprune.report.page.asked import asked, file_of
from onnxprune.report.page.groups import is_off, tied
from onnxprune.report.page.rows import findings_by_need, pruned_dims, reasons, summary_rows, zero_rows
from onnxprune.report.page.verdict import marks, sentence

SALIENCIES = 24
"""Distributions that are shown, those of the most pruned dims."""


def common_content(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told in every form."""
    return {
        "data": data,
        "file": file_of(data),
        "asked": asked(data),
        "sentence": sentence(data),
        "marks": marks(data),
        "summary": summary_rows(data),
        "pruned": pruned_dims(data),
        "reasons": reasons(data.get("not_pruned") or []),
        "findings": findings_by_need(data["target"]) if data.get("target") else None,
    }


def page_content(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page tells, with its pictures."""
    groups, weights = tied(data)
    sparsity = data.get("sparsity")
    found = {
        **common_content(data),
        "layers": _layers(data),
        "widths": _widths(data),
        "groups": groups,
        "weights": weights,
        "saliency": _saliency(data),
        "curve": _curve(data),
        "sensitivity": _sensitivity(data),
        "repair": _repair(data),
        "zeros": zero_rows(sparsity) if sparsity else None,
        "version": ((data.get("provenance") or {}).get("versions") or {}).get("onnxprune"),
    }
    return {**found, "sections": _sections(data, found)}


def _sections(data: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return the sections in order: the name of the template and of the place, the title, and whether it is shown."""
    return [
        ("summary", "before and after", True),
        ("warnings", "warnings", bool(data.get("warnings"))),
        ("outputs", "outputs", bool((data.get("drift") or {}).get("outputs"))),
        ("layers", "layers", bool(found["layers"])),
        ("widths", "widths", bool(found["widths"])),
        ("groups", "groups", bool(found["groups"] or (found["reasons"] and not found["zeros"]))),
        ("saliency", "saliency", bool(found["saliency"])),
        ("curve", "max drop", bool(found["curve"])),
        ("sensitivity", "sensitivity", bool(found["sensitivity"])),
        ("repair", "repair", bool(found["repair"])),
        ("zeros", "zeros", bool(found["zeros"])),
        ("verification", "verification", bool(data.get("verified"))),
        ("target", "target", bool(data.get("target"))),
        ("seconds", "time", bool(data.get("seconds"))),
        ("repeat", "repeat", bool(data.get("provenance"))),
    ]


def _layers(data: Mapping[str, Any]) -> dict[str, Any] | None:
    from onnxprune.report.page.figures.layers import layers_figure

    layers = data.get("layers")
    if not layers:
        return None
    changed = sum(any(layer[key]["after"] != layer[key]["before"] for key in ("params", "macs")) for layer in layers)
    return {"rows": layers, "changed": changed, "figure": layers_figure(layers) if changed else None}


def _widths(data: Mapping[str, Any]) -> dict[str, Any] | None:
    from onnxprune.report.page.figures.widths import widths_figure

    dims = data.get("dims")
    if not dims:
        return None
    findings = (data.get("target") or {}).get("findings", ())
    finding = next((finding for finding in findings if finding["requirement"] == "widths"), None)
    wanted = ((finding or {}).get("details") or {}).get("multiple")
    multiple = wanted or data.get("width") or 1
    off = [dim for dim in dims if is_off(dim, multiple)]
    return {
        "figure": widths_figure(dims, multiple),
        "multiple": multiple,
        "off": off,
        "chosen": data.get("width"),
        "finding": finding,
    }


def _saliency(data: Mapping[str, Any]) -> dict[str, Any] | None:
    from onnxprune.report.page.figures.saliency import saliency_figure

    entries = data.get("saliency")
    if not entries:
        return None
    order = [dim["name"] for dim in pruned_dims(data)]
    places = {name: place for place, name in enumerate(order)}
    ranked = sorted(entries, key=lambda entry: places.get(entry["name"], len(places)))[:SALIENCIES]
    return {
        "panels": [{**entry, "figure": saliency_figure(entry, place)} for place, entry in enumerate(ranked)],
        "left": len(entries) - len(ranked),
    }


def _curve(data: Mapping[str, Any]) -> dict[str, Any] | None:
    from onnxprune.report.page.figures.curves import max_drop_figure

    curve, options = data.get("curve"), data.get("options") or {}
    if not curve:
        return None
    outputs = (data.get("drift") or {}).get("outputs", {})
    metric = ", ".join(dict.fromkeys(score["metric"] for score in outputs.values())) or options.get("metric", "outputs")
    steps = sorted(curve, key=lambda step: step["amount"])
    allowed = options.get("max_drop")
    return {
        "figure": max_drop_figure(steps, allowed, metric),
        "steps": steps,
        "allowed": allowed,
        "best": max((step["amount"] for step in steps if step["within"]), default=None),
    }


def _sensitivity(data: Mapping[str, Any]) -> dict[str, Any] | None:
    from onnxprune.report.page.figures.curves import sensitivity_figure

    found = data.get("sensitivity")
    curves = (found or {}).get("dims") or (found or {}).get("blocks")
    if not curves:
        return None
    ranked = sorted(curves, key=_mean_drop, reverse=True)
    metric = ", ".join(dict.fromkeys((found or {}).get("metrics", {}).values())) or "the outputs"
    amounts = sorted({point["amount"] for curve in ranked for point in curve["points"]})
    drops = [point["drop"] for curve in ranked for point in curve["points"] if point["drop"] is not None]
    largest = max([drop for drop in drops if drop > 0], default=1.0)
    rows = [
        {**curve, "by_amount": {p["amount"]: {**p, "heat": _heat(p["drop"], largest)} for p in curve["points"]}}
        for curve in ranked
    ]
    return {"figure": sensitivity_figure(ranked, metric), "curves": rows, "amounts": amounts, "metric": metric}


def _heat(drop: float | None, largest: float) -> float:
    """Return how strongly a cell is coloured: by the root of its drop, so that small ones differ too."""
    return 0.7 * (1.0 if drop is None else math.sqrt(max(drop, 0.0) / largest))


def _mean_drop(curve: Mapping[str, Any]) -> float:
    drops = [point["drop"] for point in curve["points"]]
    if not drops or None in drops:
        return float("inf") if drops else 0.0
    return float(sum(drops) / len(drops))


def _repair(data: Mapping[str, Any]) -> dict[str, Any] | None:
    from onnxprune.report.page.figures.curves import repair_figure

    recovery = data.get("recovery")
    if not recovery:
        return None
    known = [layer for layer in recovery["layers"] if layer["before"] is not None and layer["after"] is not None]
    means = [sum(layer[when] for layer in known) / len(known) for when in ("before", "after")] if known else None
    return {**recovery, "figure": repair_figure(known) if known else None, "means": means}
