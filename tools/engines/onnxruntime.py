"""onnxruntime: takes the file as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engines.engine import Arrays, Engine, Run, Shapes


def _convert(model: Path, folder: Path, shapes: Shapes) -> Path:
    return model


def _load(path: Path, inputs: list[str], outputs: list[str]) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(feeds: Arrays) -> dict[str, NDArray[Any]]:
        return dict(zip(outputs, session.run(outputs, dict(feeds)), strict=True))

    return run


ONNXRUNTIME = Engine("onnxruntime", ("onnxruntime",), _convert, _load)
