"""Runtimes that are asked themselves: those whose Python packages are installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from onnxprune.files.scratch import scratch_folder
from onnxprune.readiness.requirements.registry import requirement
from onnxprune.readiness.subject import Subject
from onnxprune.readiness.verdict import Observation
from onnxprune.runtime import ENGINE, Session, in_one_piece, is_large, version


@requirement("loads")
def loads(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Ask a runtime, {"engine"}, to load the model, where it is installed."""
    engine = value["engine"]
    if engine in subject.ran_in:
        return Observation(True, f"{engine} has run it")
    if not subject.asks:
        return Observation(None, f"{engine} was not asked to load it")
    if find_spec(engine) is None:
        return Observation(None, f"{engine} is not installed here, so it was not asked to load it")
    if subject.given.has_external_data() and not subject.is_on_disk:
        return Observation(None, f"{engine} was not asked to load it before its weights are in their file")
    if engine != ENGINE and is_large(subject.given):
        return Observation(None, "too large to be loaded for a check (1.9 GB)")
    return ENGINES[engine](subject)


def _onnxruntime(subject: Subject) -> Observation:
    from onnxprune.errors import ModelError

    model = subject.given
    try:
        # From its file, weights beside it are mapped into memory rather than copied.
        Session(model.path if model.path and model.has_external_data() else model, threads=1)
    except ModelError as error:
        return Observation(False, f"onnxruntime {version()} does not load it: {error}")
    return Observation(True, f"onnxruntime {version()} loads it")


def _openvino(subject: Subject) -> Observation:
    import openvino

    release = str(openvino.__version__).split("-")[0]
    with scratch_folder() as folder:
        path = folder / "model.onnx"
        path.write_bytes(in_one_piece(subject.given).SerializeToString())
        try:
            core = openvino.Core()
            core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except RuntimeError as error:
            return Observation(False, f"OpenVINO {release} does not load it: {_one_line(error)}")
    return Observation(True, f"OpenVINO {release} loads it")


def _tensorrt(subject: Subject) -> Observation:
    import tensorrt

    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    network = tensorrt.Builder(logger).create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if parser.parse(in_one_piece(subject.given).SerializeToString()):
        return Observation(True, f"the parser of TensorRT {tensorrt.__version__} reads it (no engine was built)")
    errors = "; ".join(str(parser.get_error(place)) for place in range(parser.num_errors))
    return Observation(False, f"the parser of TensorRT {tensorrt.__version__} refuses it: {_one_line(errors)}")


ENGINES: Mapping[str, Callable[[Subject], Observation]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "tensorrt": _tensorrt,
}
"""What asks a runtime, by the name of its Python package."""


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]
