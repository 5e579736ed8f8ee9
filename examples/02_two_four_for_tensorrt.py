"""Put 2:4 zeros into a model for the sparse tensor cores of NVIDIA GPUs, and see what TensorRT would make of it.

    python examples/02_two_four_for_tensorrt.py [FOLDER]

Two of four consecutive input channels become zero, in an order of channels that costs least and only in weights that
TensorRT would use the pattern in. Out come sparse.onnx in FOLDER (default: a temporary one), the verdict on it, and the
line that builds an engine. No GPU is needed here, and none is asked: `trtexec` shows on yours whether it is faster.

The same on the command line:

    onnxprune models/residual_cnn.onnx --granularity 2:4 --target tensorrt --calibration models/digits_calibration.npz
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import onnxprune

MODELS = Path(__file__).parents[1] / "models"
SETTINGS = {"samples": 64, "criterion": "lamp"}  # to be quick: few samples, and weights chosen by their size


def keeps_the_pattern(weight: np.ndarray) -> bool:
    """Whether of every four consecutive input channels of a convolution at most two are not zero."""
    if weight.ndim != 4 or weight.shape[1] % 4:
        return False
    fours = weight.reshape(weight.shape[0], -1, 4, *weight.shape[2:])
    return bool((np.count_nonzero(fours, axis=2) <= 2).all())


def main() -> None:
    """Make the sparse model, look at its weights and print the verdict."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="onnxprune-"))
    folder.mkdir(parents=True, exist_ok=True)
    sparse = folder / "sparse.onnx"

    samples = MODELS / "digits_calibration.npz"
    model = MODELS / "residual_cnn.onnx"
    result = onnxprune.prune(model, granularity="2:4", target="tensorrt", calibration=samples, **SETTINGS)
    result.save(sparse, overwrite=True)

    weights = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(sparse).graph.initializer]
    print(f"2:4 in {sum(map(keeps_the_pattern, weights))} convolutions")  # counted without onnxprune
    for left in result.report.not_pruned:
        print(f"left dense: {left['name']}: {left['reason']}")

    verdict = onnxprune.check(sparse, "tensorrt")
    print("ready for TensorRT" if verdict.is_ready else "not ready for TensorRT")
    for finding in verdict.findings:
        if finding.seen.is_met is False or finding.fact.kind == "pattern":
            print(f"  {finding.fact.kind}: {finding.seen.found}")
    print(verdict.handover[0])


if __name__ == "__main__":
    main()
