"""Writing results: the whole file or nothing, and never over the input."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import onnx
from onnx import TensorProto, external_data_helper

from onnxprune.errors import OutputError
from onnxprune.model import Model

MESSAGE_LIMIT = 2**31 - 1
EXTERNAL_THRESHOLD = 1024
"""Tensors of at least this many bytes go beside the model once it has external data."""


def check_output(path: Path, source: Path | None, overwrite: bool) -> None:
    """Refuse an output that cannot or must not be written, before any work is done. Raises `OutputError`."""
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise OutputError(f"{path}: the output would replace the input; choose another name with -o")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give a file name with -o")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; choose another name with -o, or allow it with --overwrite")
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"{folder}: no such folder")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{folder}: the folder is not writable")


def save_model(model: Model, path: Path, overwrite: bool = False) -> None:
    """Write a model; one that came with external data gets a `.data` file of its own beside it."""
    check_output(path, model.path, overwrite)
    if not model.has_external_data() and model.proto.ByteSize() < MESSAGE_LIMIT:
        data = model.proto.SerializeToString()
        _write(path, lambda stream: stream.write(data))
        return
    beside = path.with_name(path.name + ".data")
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    _write(beside, lambda stream: _write_tensors(model, proto, beside.name, stream))
    _write(path, lambda stream: stream.write(proto.SerializeToString()))


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write a text file whole or not at all. Raises `OutputError`."""
    check_output(path, None, overwrite)
    _write(path, lambda stream: stream.write(text.encode()))


def _write_tensors(model: Model, proto: onnx.ModelProto, location: str, stream: IO[bytes]) -> None:
    for tensor in Model(proto).tensors():
        external = tensor.data_location == TensorProto.EXTERNAL
        if not external and len(tensor.raw_data) < EXTERNAL_THRESHOLD:
            continue
        values = model.array(tensor).tobytes() if external else tensor.raw_data
        offset = stream.tell()
        stream.write(values)
        del tensor.external_data[:]
        tensor.raw_data = values
        external_data_helper.set_external_data(tensor, location, offset, len(values))
        tensor.ClearField("raw_data")


def _write(path: Path, fill: Callable[[IO[bytes]], Any]) -> None:
    try:
        with _temporary(path) as (temporary, stream):
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            temporary.chmod(0o666 & ~_umask())
            yield temporary, stream
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
