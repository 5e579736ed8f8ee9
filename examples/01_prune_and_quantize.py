"""Prune a model and then quantize it for onnxruntime: what each step leaves of size, time and accuracy.

    python examples/01_prune_and_quantize.py [FOLDER]

Half of the multiply-accumulates go, the rest is repaired on unlabelled images, and onnxruntime stores what is left in
8 bits. Out come two models, pruned.onnx and pruned.int8.onnx in FOLDER (default: a temporary one), and one line each.

Your own model, a detector for instance: change MODEL, and let SAMPLES hold some hundred of its preprocessed inputs
under the name of its input. `accuracy` is for classifiers; a detector needs its own measure there (mAP).
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import onnxprune
from onnxprune.bench.benchmark import bench_models
from onnxprune.options import LatencyOptions

MODELS = Path(__file__).parents[1] / "models"
MODEL, SAMPLES, TEST = (MODELS / name for name in ("residual_cnn.onnx", "digits_calibration.npz", "digits_test.npz"))


class Samples(CalibrationDataReader):
    """The same samples that pruning had, as the quantizer asks for them: a batch at a time."""

    def __init__(self) -> None:
        images = np.load(SAMPLES)["input"][:128]
        self.batches = iter({"input": images[start : start + 32]} for start in range(0, len(images), 32))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return a batch, or None behind the last."""
        return next(self.batches, None)


def quantize(model: Path, quantized: Path) -> None:
    """Make weights and activations 8 bits; onnxruntime's kernels for x86 are fast with unsigned activations only."""
    prepared = quantized.with_suffix(".prepared.onnx")
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(prepared, quantized, Samples(), quant_format=QuantFormat.QDQ, per_channel=True, **types)
    prepared.unlink()


def accuracy(model: Path) -> float:
    """Return the share of the test images that a classifier gets right."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    test = np.load(TEST)
    logits = [session.run(None, {"input": batch})[0] for batch in np.array_split(test["input"], 15)]
    return float(np.mean(np.concatenate(logits).argmax(axis=1) == test["label"]))


def main() -> None:
    """Make both models and print what is left of the dense one."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="onnxprune-"))
    folder.mkdir(parents=True, exist_ok=True)
    pruned, quantized = folder / "pruned.onnx", folder / "pruned.int8.onnx"

    # Pruning first: the repair fits real weights, and scales are then chosen for what remains.
    result = onnxprune.prune(MODEL, 0.5, budget="macs", calibration=SAMPLES, samples=128)
    result.save(pruned, overwrite=True)
    quantize(pruned, quantized)

    models = [MODEL, pruned, quantized]
    race = bench_models(models, LatencyOptions(seconds=3), [8]).races[0].race  # they run in turns: compare the ratios
    print(f"mask == slice: {result.report.verified['verdict']}")
    for path in models:
        time = "1" if path == MODEL else f"{race.ratio(path.name).value:.2f}"
        print(f"{path.name:18} {path.stat().st_size:>9,} bytes  time {time:4}  accuracy {accuracy(path):.2%}")
    print(f"written to {folder}")


if __name__ == "__main__":
    main()
