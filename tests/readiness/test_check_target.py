"""Verdicts: what makes a model not ready, what is new, and what is handed over."""

from __future__ import annotations

from pathlib import Path

import onnx
from subjects import fact, products, small, target

from onnxprune.model import Model
from onnxprune.readiness import Status, check_target

OPSETS = fact("opsets", {"least": 9, "most": 13})
WIDTHS = fact("widths", {"multiple": 8}, is_required=False)


def test_only_what_is_required_makes_a_model_not_ready() -> None:
    model = Model(products(64, 84))
    advised = check_target(model, target(WIDTHS))
    assert advised.is_ready and [finding.status for finding in advised.findings] == [Status.ADVISED]
    refused = check_target(model, target(WIDTHS, OPSETS))
    assert not refused.is_ready and refused.findings[1].status is Status.NOT_MET
    assert refused.as_dict()["ready"] is False


def test_what_could_not_be_asked_stands_in_nobodys_way() -> None:
    verdict = check_target(Model(small()), target(fact("loads", {"engine": "no_such_runtime"})))
    assert verdict.is_ready and verdict.findings[0].status is Status.NOT_ASKED


def test_flaws_that_the_dense_model_has_too_are_not_new() -> None:
    def is_new(dense: onnx.ModelProto, pruned: onnx.ModelProto) -> bool | None:
        (finding,) = check_target(Model(pruned), target(WIDTHS), dense=Model(dense)).findings
        return finding.is_new

    assert is_new(products(64, 64), products(64, 44)) is True
    assert is_new(products(64, 84), products(64, 44)) is False
    assert is_new(products(64, 64), products(64, 64)) is None


def test_lines_to_paste_name_the_model_and_its_sizes() -> None:
    lines = ("run {model} --shapes={shapes} {typed_shapes} -o {stem}.bin", "python -c 'print({1: 2})'")
    verdict = check_target(Model(small(batch="n"), Path("net.onnx")), target(handover=lines))
    assert verdict.handover == (
        "run net.onnx --shapes=input_1:1x3x6x6 [1,3,6,6]f32 -o net.bin",
        "python -c 'print({1: 2})'",
    )


def test_a_model_is_not_changed_by_being_checked() -> None:
    model = small()
    before = model.SerializeToString(deterministic=True)
    check_target(Model(model), target(OPSETS, WIDTHS, fact("loads", {"engine": "onnxruntime"})))
    assert model.SerializeToString(deterministic=True) == before
