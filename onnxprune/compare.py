"""Two models side by side: what they cost and how far their outputs are apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnxprune.cost import cost_of
from onnxprune.errors import ModelError
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.runtime import Feeds, run
from onnxprune.tracing import trace
from onnxprune.verify.compare import difference


def compare_models(dense: Path, pruned: Path, feeds: Feeds | None = None, seed: int = 0) -> dict[str, Any]:
    """Return sizes, parameters, MACs and the difference of every output on given or random inputs.

    Raises `ModelError` where a model cannot be read or run, or where their outputs have different names.
    """
    before, after = trace(Model.load(dense)), trace(Model.load(pruned))
    costs = cost_of(before), cost_of(after)
    names = [info.name for info in before.model.proto.graph.output]
    others = [info.name for info in after.model.proto.graph.output]
    if names != others:
        raise ModelError(f"the models have different outputs: {', '.join(names)} and {', '.join(others)}")
    feeds = usable_feeds(before, seed) if feeds is None else feeds
    pairs = zip(names, run(before.model, feeds), run(after.model, feeds), strict=True)
    apart = {name: difference(a, b) for name, a, b in pairs}
    return {
        "bytes": {"before": dense.stat().st_size, "after": pruned.stat().st_size},
        "params": {"before": costs[0].params({}), "after": costs[1].params({})},
        "macs": {"before": costs[0].macs({}), "after": costs[1].macs({})},
        "outputs": {name: {"max_abs": d.absolute, "max_rel": d.relative} for name, d in apart.items()},
    }
