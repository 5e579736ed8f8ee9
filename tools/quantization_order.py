"""Pruning before and after quantization: the accuracy that is left of the models in `models/`.

    python tools/quantization_order.py [--only NAME ..] [--json docs/bench_quantization.json]

Whichever comes first, both look at the same samples. A quantized model is pruned in three ways, as its weights are not
repaired: as by default, by the criterion `variance`, and without samples.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from prune_and_quantize import MODELS, accuracy, prune, quantize

import onnxprune

NAMES = ("residual_cnn", "mobile_net", "vision_transformer")
AMOUNTS = (0.3, 0.5)
SAMPLES, TEST = str(MODELS / "digits_calibration.npz"), MODELS / "digits_test.npz"
OTHERS = {
    "default": {"calibration": SAMPLES},
    "variance": {"calibration": SAMPLES, "criterion": "variance"},
    "none": {"calibration": "none"},
}
"""How the quantized model is pruned."""


def measure(name: str) -> dict[str, dict[str, float]]:
    """Return accuracies of a model, by the share of the MACs that goes and by the way it goes."""
    dense, found = MODELS / f"{name}.onnx", {}
    with tempfile.TemporaryDirectory() as folder:
        pruned, both, quantized, made = (Path(folder) / f"{word}.onnx" for word in ("pruned", "both", "int8", "made"))
        quantize(dense, quantized, SAMPLES)
        for amount in AMOUNTS:
            prune(dense, pruned, amount, SAMPLES)
            quantize(pruned, both, SAMPLES)
            row = {"pruned first": accuracy(both, TEST)}
            for way, options in OTHERS.items():
                onnxprune.prune(quantized, amount, check=False, budget="macs", **options).save(made, overwrite=True)
                row[way] = accuracy(made, TEST)
            found[f"{amount}"] = row
    return found


def main() -> None:
    """Measure, and add what was found to the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--json", type=Path, default=MODELS.parent / "docs" / "bench_quantization.json")
    options = parser.parse_args()
    found = json.loads(options.json.read_text()) if options.json.is_file() else {"rows": {}}
    for name in options.only:
        found.setdefault("order", {})[name] = measure(name)
        print(name, found["order"][name])
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
