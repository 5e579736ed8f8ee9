"""Runtimes that run a model file on this CPU at one thread, behind one interface: `onnxprune` itself needs but one.

    from engines import ENGINES
    from engines.process import Host

    engine = ENGINES["openvino"]
    if engine.is_available():
        outcome = Host(engine, folder).outputs(Path("model.onnx"), [{"x": image}])

Each runtime is one module: what it is called, the packages it needs, how it converts a file and how it loads what came
out. Converters end their process where they meet what they do not know, so all of it happens in a child.
"""

from __future__ import annotations

from engines.engine import Engine, EngineError
from engines.litert import LITERT
from engines.mnn import MNN
from engines.ncnn import NCNN
from engines.onnxruntime import ONNXRUNTIME
from engines.openvino import OPENVINO

__all__ = ["ENGINES", "Engine", "EngineError"]

ENGINES = {engine.name: engine for engine in (ONNXRUNTIME, OPENVINO, NCNN, MNN, LITERT)}
"""All runtimes by name."""
