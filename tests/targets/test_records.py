"""Every record of a target: complete, sourced, and of kinds that something looks for."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import onnx
import pytest
from graphs import Graph
from test_imports import SOURCES

from onnxprune.errors import UsageError
from onnxprune.model import Model
from onnxprune.readiness import Status, check_target
from onnxprune.readiness.handover import WRITERS
from onnxprune.readiness.requirements import REQUIREMENTS
from onnxprune.targets import DEFAULT, Target, find, names
from onnxprune.targets.target import RECORDS

PROMISED = "onnxruntime ort-mobile tensorrt tensorrt-int8 openvino litert ncnn mnn coreml web"
MODELS = Path(__file__).parents[2] / "models"
OPERATOR = re.compile(r"([A-Za-z][A-Za-z0-9_.]*:)?[A-Za-z][A-Za-z0-9_]*")

each_target = pytest.mark.parametrize("target", [find(name) for name in names()], ids=list(names()))


def odd() -> onnx.ModelProto:
    """What records say something about: a size that is open, a pool with indices, a quantized tensor, a body."""
    g = Graph()
    x = g.conv(g.image(batch="n"), 8, kernel=3)  # type: ignore[arg-type]
    pooled, _ = g.nodes_of("MaxPool", [x], 2, kernel_shape=[2, 2], strides=[2, 2])
    scale, zero = g.store(0.1, "float32"), g.store(3, "uint8")
    quantized = g.add("DequantizeLinear", g.add("QuantizeLinear", pooled, scale, zero), scale, zero)
    g.output(g.add("GlobalAveragePool", quantized))
    return g.model()


def test_there_is_a_record_of_every_target_that_was_promised() -> None:
    assert set(names()) == set(PROMISED.split())
    assert names()[0] == DEFAULT


@each_target
def test_every_fact_says_why_what_to_do_and_where_it_is_from(target: Target) -> None:
    assert target.title and target.version and target.facts
    for fact in target.facts:
        assert fact.why and fact.do and not fact.why.endswith("."), fact.kind
        assert fact.source.version, fact.kind
        assert fact.source.page.startswith(("https://", "measured with ")), fact.kind


@each_target
def test_facts_are_of_kinds_that_something_looks_for(target: Target) -> None:
    assert {fact.kind for fact in target.facts} <= REQUIREMENTS.keys()
    assert set(target.writes) <= WRITERS.keys()


@each_target
def test_operators_are_written_as_onnx_writes_them(target: Target) -> None:
    for fact in target.facts:
        if fact.kind == "operators":
            known = fact.value["names"]
            assert known == sorted(set(known))
            assert all(OPERATOR.fullmatch(name) for name in known)
            assert {"Add", "Conv", "Relu"} <= set(known)


@each_target
def test_element_types_are_those_of_onnx(target: Target) -> None:
    known = {name.lower() for name in onnx.TensorProto.DataType.keys()}  # noqa: SIM118  (it is no dictionary)
    for fact in target.facts:
        if fact.kind == "types":
            assert {"float"} <= set(fact.value["names"]) <= known


@each_target
@pytest.mark.parametrize("model", ["residual_cnn", "vision_transformer", "odd"])
def test_every_fact_can_be_looked_for(target: Target, model: str) -> None:
    given = Model(odd()) if model == "odd" else Model.load(MODELS / f"{model}.onnx")
    verdict = check_target(given, target, asks=False)
    assert len(verdict.findings) == len(target.facts)
    for finding in verdict.findings:
        if finding.status is Status.NOT_ASKED:
            assert "not" in finding.seen.found and "could not be looked at" not in finding.seen.found
    json.dumps(verdict.as_dict())


def test_every_kind_of_fact_is_in_some_record() -> None:
    assert {fact.kind for name in names() for fact in find(name).facts} == REQUIREMENTS.keys()


def test_the_package_holds_nothing_but_records_beside_their_reader() -> None:
    assert {entry.name for entry in RECORDS.iterdir()} == {f"{name}.json" for name in names()}


def test_no_code_branches_on_what_a_target_is_called() -> None:
    for name, path in SOURCES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Compare, ast.MatchValue)):
                constants = {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
                assert not constants & set(names()), f"{name}:{node.lineno}"


def test_widths_and_patterns_are_those_that_the_runtimes_want() -> None:
    assert find("tensorrt").width == 8 and find("tensorrt-int8").width == 32
    assert find("onnxruntime").width is None
    pattern = find("tensorrt").pattern
    assert pattern is not None and (pattern.n, pattern.m, pattern.outs, pattern.ins) == (2, 4, 8, 16)
    assert find("onnxruntime").pattern is None


def test_an_unknown_target_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"--target tensorflow: there is no such target; there are: onnxruntime, "):
        find("tensorflow")
