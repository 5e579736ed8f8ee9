"""ncnn, by way of pnnx: `pip install --no-deps pnnx`, since only its Python side needs PyTorch.

ncnn knows no batch: pnnx takes the first axis of every input away, and it has to be 1.
"""

from __future__ import annotations

import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.engine import Arrays, Engine, EngineError, Run, Shapes


def _convert(model: Path, folder: Path, shapes: Shapes) -> Path:
    (folder / "model.onnx").write_bytes(model.read_bytes())  # pnnx writes all its files beside its input
    sizes = ",".join(f"[{','.join(map(str, shape))}]" for shape in shapes.values())
    command = [str(_binary()), "model.onnx", f"inputshape={sizes}", "fp16=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    path = folder / "model.ncnn.param"
    if done.returncode or not path.is_file():
        raise EngineError(f"pnnx: exit {done.returncode}: {' '.join((done.stderr or done.stdout).split())[-200:]}")
    return path


def _binary() -> Path:
    return Path(str(distribution("pnnx").locate_file("pnnx/pnnx")))


def _load(path: Path, inputs: list[str], outputs: list[str]) -> Run:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    for halved in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, halved, False)
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        raise EngineError("ncnn cannot load what pnnx wrote")

    def run(feeds: Arrays) -> dict[str, NDArray[Any]]:
        extractor = net.create_extractor()
        given = [ncnn.Mat(np.ascontiguousarray(feeds[name][0])) for name in inputs]  # kept alive until the end
        for place, value in enumerate(given):
            extractor.input(f"in{place}", value)
        found = {}
        for place, name in enumerate(outputs):
            problem, value = extractor.extract(f"out{place}")
            if problem:
                raise EngineError(f"ncnn: output {place} could not be computed (code {problem})")
            found[name] = np.array(value)[None]
        return found

    return run


NCNN = Engine("ncnn", ("ncnn", "pnnx"), _convert, _load)
