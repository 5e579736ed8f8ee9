"""OpenVINO on the CPU: reads the file itself; told to compute in float32, since it takes bf16 where the CPU has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engines.engine import Arrays, Engine, Run, Shapes

SETTINGS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
}


def _convert(model: Path, folder: Path, shapes: Shapes) -> Path:
    """Write OpenVINO's own files, with the sizes of the inputs fixed."""
    import openvino

    read = openvino.Core().read_model(model)
    read.reshape({name: list(shape) for name, shape in shapes.items()})
    path = folder / f"{model.stem}.xml"
    openvino.save_model(read, path, compress_to_fp16=False)
    return path


def _load(path: Path, inputs: list[str], outputs: list[str]) -> Run:
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", SETTINGS)
    request = compiled.create_infer_request()

    def run(feeds: Arrays) -> dict[str, NDArray[Any]]:
        request.infer(dict(feeds), share_inputs=True)
        return {name: request.get_output_tensor(place).data.copy() for place, name in enumerate(outputs)}

    return run


OPENVINO = Engine("openvino", ("openvino",), _convert, _load)
