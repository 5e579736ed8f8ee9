"""MACs of whole models: of those that ship with the project, and of a folder of exported ones."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path

import onnx
import pytest
from counters import FORMULAS, ONNX_TOOL, by_onnx_tool, by_running

from onnxprune.cost import cost_of, open_sizes, term
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.tracing import Trace, trace

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.onnx"))
CORPUS = sorted(Path(os.environ["ONNXPRUNE_CORPUS"]).glob("*.onnx")) if os.environ.get("ONNXPRUNE_CORPUS") else []


def by_operator(found: Trace) -> Counter[str]:
    """What was noted for each operator of the main graph."""
    sizes, macs = open_sizes(found), Counter[str]()
    for work in found.work:
        if not work.node.scope:
            macs[found.model.node(work.node).op_type] += int(term(work.axes, sizes).at({}))
    return macs


def check(path: Path) -> Trace:
    """Compare with the shapes of a run, operator by operator."""
    found = trace(Model(onnx.load(path)))
    counted = by_operator(found)
    assert counted.keys() <= FORMULAS.keys()
    assert counted == by_running(found.model, usable_feeds(found))
    return found


@pytest.mark.parametrize("path", MODELS, ids=[path.stem for path in MODELS])
def test_the_models_cost_what_two_other_counters_say(path: Path) -> None:
    found = check(path)
    assert cost_of(found).macs({}) == by_onnx_tool(found.model.proto, usable_feeds(found)).total() > 0


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS, reason="ONNXPRUNE_CORPUS does not name a folder of exported models")
@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_exported_models_cost_what_other_counters_say(path: Path) -> None:
    cost = cost_of(trace(Model(onnx.load(path))))
    if cost.uncounted:
        pytest.skip(f"the MACs of {cost.uncounted} nodes depend on sizes that only the running model knows")
    found = check(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            others = by_onnx_tool(found.model.proto, usable_feeds(found))
        except Exception as error:  # onnx-tool raises what its reading of an operator runs into
            pytest.skip(f"equal to a run, but onnx-tool cannot read the model: {error!r}")
    assert others == {op_type: macs for op_type, macs in by_operator(found).items() if op_type in ONNX_TOOL}
