"""Writing results: the whole file or nothing, and never over the input."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto

from onnxprune.errors import OutputError
from onnxprune.external import place_of
from onnxprune.model import Model
from onnxprune.wire import pieces_of

Fill: TypeAlias = "Callable[[IO[bytes]], Any]"
"""Writes the content of a file."""

OnProgress: TypeAlias = "Callable[[float], None]"

EXTERNAL_THRESHOLD = 1024
"""Tensors of at least this many bytes go beside the model once it has external data."""

ALIGNMENT = 4096
"""Bytes of a page."""


def check_output(path: Path, source: Path | None, overwrite: bool) -> None:
    """Refuse an output that cannot or must not be written, before any work is done. Raises `OutputError`."""
    try:
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise OutputError(f"{path}: the output would replace the input; choose another name with -o")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; give a file name with -o")
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists already; choose another name with -o, or allow it with --overwrite")
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent}: no such folder")
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{path.parent}: the folder is not writable")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


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
    check_output(path, model.path, overwrite)
    files: dict[Path, Fill] = {}
    pieces = None if model.has_external_data() else pieces_of(model.proto)
    if pieces is not None:
        files[path] = lambda stream: stream.writelines(pieces)
    else:
        beside = path.with_name(path.name + ".data")
        for source in model.data_files():
            check_output(beside, source, overwrite)
        proto = onnx.ModelProto()
        proto.CopyFrom(model.proto)
        files[beside] = lambda stream: _write_tensors(model, proto, beside.name, stream, on_progress)
        files[path] = lambda stream: stream.write(proto.SerializeToString())
    own = sorted(files)
    for place, fill in (others or {}).items():
        if place.absolute() in {name.absolute() for name in files}:
            raise OutputError(f"{place}: named for two outputs at once; choose another name")
        check_output(place, model.path, overwrite)
        files[place] = fill
    _write(files)
    return own


def write_files(files: Mapping[Path, Fill], overwrite: bool = False) -> None:
    """Write files, all of them or none. Raises `OutputError`."""
    for path in files:
        check_output(path, None, overwrite)
    _write(files)


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


def _write(files: Mapping[Path, Fill]) -> None:
    """Fill a temporary file for each, and only when all are complete give them their names."""
    temporaries: dict[Path, Path] = {}
    path = Path()
    try:
        for path, fill in files.items():
            temporaries[path] = _filled(path, fill)
        for path, temporary in temporaries.items():
            temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)


def _filled(path: Path, fill: Fill) -> Path:
    handle, name = tempfile.mkstemp(prefix=".onnxprune.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            temporary.chmod(0o666 & ~_umask())
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
