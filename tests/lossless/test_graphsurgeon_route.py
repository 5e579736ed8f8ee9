"""A graphsurgeon Graph comes without the notes of the file: importing one drops them, not pruning it."""

from __future__ import annotations

import onnx_graphsurgeon
from decorated import decorated
from leveled import assert_only_planned
from networks import branchy

import onnxprune


def test_pruning_a_graph_changes_nothing_but_what_the_plan_lists_in_its_export() -> None:
    graph = onnx_graphsurgeon.import_onnx(decorated(branchy()))
    exported = onnx_graphsurgeon.export_onnx(graph)
    assert not exported.metadata_props and not exported.graph.quantization_annotation  # lost before pruning begins
    result = onnxprune.prune(graph, 0.3, round_to="none", calibration="none")
    assert_only_planned(exported, result.model, result.plan)
