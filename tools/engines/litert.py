"""LiteRT on the CPU (XNNPACK), by way of onnx2tf: both want a virtual environment of their own, some 2.5 GB.

Converted graphs have channels last, inputs included. The error function is written out: LiteRT has no kernel for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.engine import Arrays, Engine, EngineError, Run, Shapes

SAMPLES = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""Pictures that onnx2tf downloads unless a file of this name is there; they matter to quantization alone."""


def _convert(model: Path, folder: Path, shapes: Shapes) -> Path:
    source, written = folder / "model.onnx", folder / "tf"
    shutil.copyfile(model, source)  # onnx2tf writes over its input
    np.save(folder / SAMPLES, np.zeros((20, 128, 128, 3), np.float32))
    sizes = [f"{name}:{','.join(map(str, shape))}" for name, shape in shapes.items()]
    call = ["-m", "onnx2tf", "-i", source.name, "-o", written.name, "-ois", *sizes, "-coion", "-rtpo", "Erf", "-n"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # it calls onnxsim by name
    done = subprocess.run(
        [sys.executable, *call],
        cwd=folder,
        env={**os.environ, "PATH": path, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    found = written / "model_float32.tflite"
    if done.returncode or not found.is_file():
        raise EngineError(f"onnx2tf: exit {done.returncode}: {' '.join((done.stdout + done.stderr).split())[-200:]}")
    return found


def _load(path: Path, inputs: list[str], outputs: list[str]) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    taken = {_plain(detail["name"]): detail for detail in interpreter.get_input_details()}
    given = [detail["index"] for detail in interpreter.get_output_details()]  # in order, by names of its own

    def run(feeds: Arrays) -> dict[str, NDArray[Any]]:
        for name in inputs:
            interpreter.set_tensor(taken[name]["index"], _channels_last(feeds[name], tuple(taken[name]["shape"])))
        interpreter.invoke()
        return {name: interpreter.get_tensor(place) for name, place in zip(outputs, given, strict=True)}

    return run


def _channels_last(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if values.shape == shape:
        return values
    return np.ascontiguousarray(np.moveaxis(values, 1, -1))


def _plain(name: str) -> str:
    """Return a name without what TensorFlow puts around it, such as `serving_default_x:0`."""
    return name.removeprefix("serving_default_").partition(":")[0]


LITERT = Engine("litert", ("ai-edge-litert", "onnx2tf", "tensorflow"), _convert, _load)
