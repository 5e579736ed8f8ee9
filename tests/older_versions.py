"""What older versions of onnx and onnxruntime get wrong: tests that need it right are expected to fail with them.

conftest.py marks these tests, so that whatever else fails with an old version is ours.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import NamedTuple

import onnx


class Fault(NamedTuple):
    """A fault of a package before some version, and which tests meet it, as a pattern in their ids."""

    package: str
    mended: str
    what: str
    tests: str


FAULTS = (
    Fault(
        "onnx",
        "1.23",
        "the references of recurrent operators do not know the layout with batches first",
        r"test_recurrent\.py::test_batch_first_layout",
    ),
    Fault(
        "onnxruntime",
        "1.24",
        "its quantizer does not write 4-bit weights with onnx from 1.19 on",
        r"test_quantized_then_pruned\.py::.*\[pairs, 4-bit weights",
    ),
    Fault(
        "onnxruntime",
        "1.24",
        "Attention of several query heads for one of keys is computed wrongly",
        r"test_attention_of_packed_heads\[2\]|test_attention_of_heads_on_their_own_axis\[2-23\]"
        r"|test_past_that_is_an_input_of_the_model_leaves_the_repetitions",
    ),
    Fault(
        "onnxruntime",
        "1.24",
        "ReduceSum that reduces nothing fails without optimization",
        r"\[reduce_nothing\]",
    ),
    Fault(
        "onnxruntime",
        "1.27",
        "Resize reads the scales of named axes as those of the first axes",
        r"\[resize_of_named_axes_with_scales\]",
    ),
    Fault(
        "onnxruntime",
        "1.27",
        "16-bit activations are rounded in another way without optimization",
        r"test_a_graph_of_any_format_is_pruned_exactly\[pairs, 16-bit activations",
    ),
    Fault(
        "onnxruntime",
        "1.27",
        "QLinearConv takes one zero point for all channels of a weight only",
        r"test_models_that_are_not_hostile_are_pruned\[prune -c none-quantized\]"
        r"|test_quantization_stays_in_the_graph_with_its_integers",
    ),
)


def is_older(package: str, than: str) -> bool:
    """Whether a package is of an older version, by its first two numbers."""
    return _numbers(version(package)) < _numbers(than)


def faults(test: str) -> list[str]:
    """Return what goes wrong in a test with the versions that are installed."""
    return [
        f"{fault.package} before {fault.mended}: {fault.what}"
        for fault in FAULTS
        if is_older(fault.package, fault.mended) and re.search(fault.tests, test)
    ]


def check_model(proto: onnx.ModelProto) -> None:
    """Check a model as onnx does, which did not know the second name of the default domain before 1.23."""
    if is_older("onnx", "1.23"):
        copy = onnx.ModelProto()
        copy.CopyFrom(proto)
        for opset in copy.opset_import:
            opset.domain = "" if opset.domain == "ai.onnx" else opset.domain
        proto = copy
    onnx.checker.check_model(proto, full_check=True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])
