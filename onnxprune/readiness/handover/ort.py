"""The .ort format of onnxruntime for phones, and the operators that a reduced build has to have."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import onnx

from onnxprune.errors import ModelError
from onnxprune.feeds import usable_feeds
from onnxprune.files.scratch import scratch_folder
from onnxprune.model import Model
from onnxprune.runtime import Session, in_one_piece
from onnxprune.tracing import trace
from onnxprune.verify.compare import difference

PLATFORM = "arm"
"""Phones: no blocked layout, which only x86 has, and int8 where quantized models allow it."""


def convert(model: Model) -> tuple[list[bytes], dict[str, Any]]:
    """Return the .ort file and the list of operators with their types, and how far its outputs are from the model's.

    Optimizations are saved as they are (`Fixed`), since a reduced build has no optimizer. Raises `ModelError` where
    onnxruntime cannot convert the model.
    """
    with scratch_folder() as folder:
        source, out = folder / "model.onnx", folder / "out"
        onnx.save(in_one_piece(model), source)
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                _run_converter(source, out)
        except Exception as error:  # onnxruntime raises a dozen types of its own that share no base
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"onnxruntime cannot convert the model to .ort: {reason}") from error
        converted, operators = (next(out.glob(f"*{suffix}")).read_bytes() for suffix in (".ort", ".config"))
    return [converted, operators], {"platform": PLATFORM, "max_rel_error": _error(model, converted)}


def _run_converter(source: Path, out: Path) -> None:
    from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

    styles = [OptimizationStyle.Fixed]
    convert_onnx_models_to_ort(source, out, styles, target_platform=PLATFORM, enable_type_reduction=True)


def _error(model: Model, converted: bytes) -> float:
    """Run both on the same inputs, and return how far outputs are apart at most, relative to their largest values."""
    feeds = usable_feeds(trace(model), seed=0)
    pairs = zip(Session(model).run(feeds), Session(converted).run(feeds), strict=True)
    return max(difference(wanted, given, quiet=1.0).relative for wanted, given in pairs)
