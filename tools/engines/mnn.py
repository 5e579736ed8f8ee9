"""MNN: its converter, and sessions of its interpreter (its newer module interface lays tensors out by itself)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.engine import Arrays, Engine, EngineError, Run, Shapes

SETTINGS = {"backend": "CPU", "numThread": 1, "precision": "high"}


def _convert(model: Path, folder: Path, shapes: Shapes) -> Path:
    """Call the converter, which prints what it cannot do and ends the process, or writes nothing.

    It is the compiled part of `mnnconvert`: the script around that, `MNN.tools.mnnconvert`, installs a package to
    report back with, and an older protobuf along with it, with which onnx does not run.
    """
    import _tools

    path = folder / f"{model.stem}.mnn"
    _tools.mnnconvert(
        ["mnnconvert", "-f", "ONNX", "--modelFile", str(model), "--MNNModel", str(path), "--bizCode", "x"]
    )
    if not path.is_file():
        raise EngineError("MNN's converter wrote nothing")
    return path


def _load(path: Path, inputs: list[str], outputs: list[str]) -> Run:
    import MNN

    net = MNN.Interpreter(str(path))
    session = net.createSession(SETTINGS)
    layout, kinds = MNN.Tensor_DimensionType_Caffe, {"float32": MNN.Halide_Type_Float, "int32": MNN.Halide_Type_Int}
    placed = {name: net.getSessionInput(session, name) for name in inputs}
    sizes: dict[str, tuple[int, ...]] = {}

    def run(feeds: Arrays) -> dict[str, NDArray[Any]]:
        shapes = {name: feeds[name].shape for name in inputs}
        if shapes != sizes:
            for name, shape in shapes.items():
                net.resizeTensor(placed[name], shape)
            net.resizeSession(session)
            sizes.update(shapes)
        for name, tensor in placed.items():
            values = np.ascontiguousarray(feeds[name])
            tensor.copyFrom(MNN.Tensor(values.shape, kinds[values.dtype.name], values, layout))
        net.runSession(session)
        return {name: _copied(net.getSessionOutput(session, name), layout) for name in outputs}

    def _copied(tensor: Any, layout: int) -> NDArray[Any]:
        shape = tensor.getShape()
        host = MNN.Tensor(shape, tensor.getDataType(), np.zeros(shape, np.float32), layout)
        tensor.copyToHostTensor(host)
        values: NDArray[Any] = np.array(host.getData(), np.float32).reshape(shape)
        return values

    return run


MNN = Engine("mnn", ("MNN",), _convert, _load)
