"""Which of the arrays that were given goes to which input, and which holds the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnxprune.calibrate.columns import Pieces, Record
from onnxprune.calibrate.specs import InputSpec
from onnxprune.errors import DataError, UsageError


def keys_of(specs: Sequence[InputSpec], found: Sequence[str], labels: str | None, where: str) -> dict[str, str]:
    """Return the key of every input that is given, and of the labels, by the name of the input or of the labels.

    Keys are names, but a single array is that of a single input whatever its key. Once all inputs have theirs, other
    keys do not matter. Raises `DataError` where an input or the labels are missing, `UsageError` where the labels are
    an input.
    """
    if labels is not None and any(spec.name == labels for spec in specs):
        raise UsageError(f"--labels {labels}: that is an input of the model")
    if labels is not None and labels not in found:
        raise DataError(f"{where}: no labels '{labels}' in it; found {_listed(found)}")
    own = {} if labels is None else {labels: labels}
    arrays = [key for key in found if key != labels]
    required = [spec for spec in specs if spec.required]
    if len(required) == len(arrays) == 1:
        return {required[0].name: arrays[0], **own}
    missing = [spec.name for spec in required if spec.name not in arrays]
    if missing:
        raise DataError(
            f"{where}: no input {_listed(missing)} in it; the model wants "
            f"{', '.join(f'{spec.name!r} {spec}' for spec in required)}; found {_listed(found)}"
        )
    return {spec.name: spec.name for spec in specs if spec.name in arrays} | own


def inputs_in_order(specs: Sequence[InputSpec], count: int, labels: str | None, where: str) -> list[InputSpec]:
    """Return the inputs that `count` arrays without names are for, in the order of the model.

    Raises `DataError` where the model has more inputs or fewer, `UsageError` where labels are looked for by name.
    """
    if labels is not None:
        raise UsageError(f"--labels {labels}: {where} gives arrays without names; labels need an .npz, or a dict")
    required = [spec for spec in specs if spec.required]
    if count != len(required):
        raise DataError(
            f"{where}: arrays without names: {count}, but inputs of the model: {len(required)}; "
            f"give an .npz, or a dict, with the names {_listed([spec.name for spec in required])}"
        )
    return required


def labels_of(records: Sequence[Record], key: str | None) -> Pieces | None:
    """Return the labels, laid end to end. Raises `DataError` where they are not one integer for each sample."""
    if key is None:
        return None
    arrays = [record.arrays[key] for record in records]
    for record, array in zip(records, arrays, strict=True):
        if array.dtype.kind not in "iu" or array.ndim > 1:
            raise DataError(
                f"{record.where}: labels '{key}' must be one integer for each sample; "
                f"found {array.dtype.name} {list(array.shape)}"
            )
    return Pieces([np.array(array).reshape(-1) for array in arrays])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "nothing"
