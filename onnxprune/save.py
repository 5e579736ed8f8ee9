"""Writing models, with their external data and what else belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto

from onnxprune.errors import OutputError
from onnxprune.external import place_of
from onnxprune.files import Fill, check_output, write_files
from onnxprune.model import Model
from onnxprune.wire import pieces_of

OnProgress: TypeAlias = "Callable[[float], None]"

EXTERNAL_THRESHOLD = 1024
"""Tensors of at least this many bytes go beside the model once it has external data."""

ALIGNMENT = 4096
"""Bytes of a page."""


def save_model(
    model: Model,
    path: Path,
    overwrite: bool = False,
    others: Mapping[Path, Fill] | None = None,
    on_progress: OnProgress = lambda share: None,
) -> list[Path]:
    """Write a model, and other files that belong to it, all of them or none; return the files of the model.

    A model that came with external data gets a `.data` file of its own beside it, written tensor by tensor. Raises
    `OutputError`.
    """
    files: dict[Path, Fill] = {}
    pieces = None if model.has_external_data() else pieces_of(model.proto)
    if pieces is not None:
        files[path] = lambda stream: stream.writelines(pieces)
    else:
        beside = path.with_name(path.name + ".data")
        proto = onnx.ModelProto()
        proto.CopyFrom(model.proto)
        files[beside] = lambda stream: _write_tensors(model, proto, beside.name, stream, on_progress)
        files[path] = lambda stream: stream.write(proto.SerializeToString())
    own = sorted(files)
    for place in others or {}:
        if place.absolute() in {name.absolute() for name in own}:
            raise OutputError(f"{place}: named for two outputs at once; choose another name")
    files = {**(others or {}), **files}
    for place in files:
        check_output(place, model.files(), overwrite)
    write_files(files, overwrite)
    return own


def _write_tensors(
    model: Model, proto: onnx.ModelProto, location: str, stream: IO[bytes], on_progress: OnProgress
) -> None:
    """Write the values of all large tensors one after the other, and note in `proto` where they are.

    Each begins at a multiple of `ALIGNMENT`, so that a runtime can map it into memory.
    """
    tensors = [tensor for tensor in Model(proto).tensors() if _is_beside(tensor)]
    for done, tensor in enumerate(tensors):
        offset = -(-stream.tell() // ALIGNMENT) * ALIGNMENT
        stream.write(bytes(offset - stream.tell()))
        for window in _windows(model, tensor):
            stream.write(window)
        length = stream.tell() - offset
        tensor.ClearField("raw_data")
        del tensor.external_data[:]
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        on_progress((done + 1) / len(tensors))


def _is_beside(tensor: TensorProto) -> bool:
    return place_of(tensor) is not None or len(tensor.raw_data) >= EXTERNAL_THRESHOLD


def _windows(model: Model, tensor: TensorProto) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a tensor, some at a time; those of one that is edited with the edits in them."""
    place = place_of(tensor)
    if place is None:
        yield tensor.raw_data
    elif place in model.edits:
        yield from (part.reshape(-1).view(np.uint8).data for part in model.parts(tensor))
    else:
        yield from model.extent(tensor).windows()
