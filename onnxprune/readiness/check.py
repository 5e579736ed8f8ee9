"""The check of a model against a target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.readiness.requirements import observe
from onnxprune.readiness.subject import Subject
from onnxprune.readiness.verdict import Finding, Verdict
from onnxprune.targets.target import Target


def check_target(
    model: Model,
    target: Target,
    asks: bool = True,
    dense: Model | None = None,
    ran_in: Collection[str] = (),
    is_on_disk: bool = False,
) -> Verdict:
    """Look at a model for everything that a target needs or wants.

    With `asks`, the runtimes that are installed are asked to load it, but for those that it `ran_in` already. Where
    `dense`, the model before pruning, is given, what is not met there either is marked as not new. `is_on_disk`: the
    file of the model holds what is checked.
    """
    subject = Subject(model, asks, ran_in, is_on_disk)
    findings = [Finding(fact, observe(fact, subject)) for fact in target.facts]
    if dense is not None:
        findings = _compared(findings, Subject(dense, asks))
    return Verdict(target, tuple(findings), lines_to_paste(model, target, model.path))


def _compared(findings: list[Finding], dense: Subject) -> list[Finding]:
    """Tell for what is not met whether the dense model meets it."""
    return [
        replace(finding, is_new=observe(finding.fact, dense).is_met) if finding.seen.is_met is False else finding
        for finding in findings
    ]


def lines_to_paste(model: Model, target: Target, path: Path | None) -> tuple[str, ...]:
    """Return the lines that hand a model over which is, or will be, at `path`; open sizes take usual ones in them."""
    place = path or Path("model.onnx")
    shapes = {name: "x".join(map(str, shape)) for name, shape in concrete_inputs(model).items()}
    words = {
        "{model}": str(place),
        "{stem}": str(place.with_suffix("")),
        "{shapes}": ",".join(f"{name}:{shape}" for name, shape in shapes.items()),
        "{typed_shapes}": ",".join(_typed_shapes(model)),
    }
    return tuple(_filled_in(line, words) for line in target.handover)


def _typed_shapes(model: Model) -> Iterator[str]:
    """Yield the shapes of the inputs with their element types, in their order: [1,3,224,224]f32."""
    kinds = {info.name: info.type.tensor_type.elem_type for info in model.proto.graph.input}
    for name, shape in concrete_inputs(model).items():
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kinds[name] or TensorProto.FLOAT))
        yield f"[{','.join(map(str, shape))}]{dtype.kind}{8 * dtype.itemsize}"


def _filled_in(line: str, words: Mapping[str, str]) -> str:
    """Return a line with the words that it holds replaced; other braces stay, as `str.format` would not have it."""
    for word, meaning in words.items():
        line = line.replace(word, meaning)
    return line
