"""Remove as much of a transformer as it can lose while its answers stay the same in 98 of 100 cases.

    python examples/03_transformer_within_a_drop.py [FOLDER]

No amount is given, but a limit: `max_drop=0.02`. Seven amounts are tried; each time units go, weights are repaired, and
samples that the repair does not see judge how often the first choice is still that of the dense model. Samples need no
labels. Out come pruned.onnx and plan.json in FOLDER (default: a temporary one), and what was tried.

The same on the command line:

    onnxprune models/vision_transformer.onnx --max-drop 0.02 --calibration models/digits_calibration.npz
"""

import sys
import tempfile
from pathlib import Path

import onnxprune

MODELS = Path(__file__).parents[1] / "models"
# Quick, but one of the two batches judges: each of its 64 images is 1.6%. For a limit of 1%, give thousands of samples.
SETTINGS = {"samples": 128, "batch_size": 64, "criterion": "lamp", "recover": "least-squares"}


def main() -> None:
    """Prune within the limit and print the amounts that were tried."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="onnxprune-"))
    folder.mkdir(parents=True, exist_ok=True)

    samples = MODELS / "digits_calibration.npz"
    result = onnxprune.prune(MODELS / "vision_transformer.onnx", max_drop=0.02, calibration=samples, **SETTINGS)
    result.save(folder / "pruned.onnx", plan=folder / "plan.json", overwrite=True)

    for step in result.report.curve:
        print(f"tried {step['amount']:.1%}: drop {step['drop']:.1%}")
    for dim in result.report.dims:
        if dim.kept < dim.size:
            print(f"{dim.name}: {dim.kept} of {dim.size} units stay")
    params = result.report.params
    print(f"{params.before:,} parameters become {params.after:,}; {result.report.verified['verdict']}")
    print(f"written to {folder}")


if __name__ == "__main__":
    main()
