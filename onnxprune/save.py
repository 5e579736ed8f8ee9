"""Writing results: the whole file or nothing, and never over the input."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import onnx
from google.protobuf.message import EncodeError
from onnx import TensorProto, external_data_helper

from onnxprune.errors import OutputError
from onnxprune.model import Model

Fill: TypeAlias = "Callable[[IO[bytes]], Any]"

EXTERNAL_THRESHOLD = 1024
"""Tensors of at least this many bytes go beside the model once it has external data."""


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


def save_model(model: Model, path: Path, overwrite: bool = False, texts: Mapping[Path, str] | None = None) -> None:
    """Write a model, and text files that belong to it, all of them or none.

    A model that came with external data gets a `.data` file of its own beside it. Raises `OutputError`.
    """
    check_output(path, model.path, overwrite)
    files: dict[Path, Fill] = {}
    whole = None if model.has_external_data() else _serialized(model.proto)
    if whole is not None:
        files[path] = lambda stream: stream.write(whole)
    else:
        beside = path.with_name(path.name + ".data")
        for source in model.data_files():
            check_output(beside, source, overwrite)
        proto = onnx.ModelProto()
        proto.CopyFrom(model.proto)
        files[beside] = lambda stream: _write_tensors(model, proto, beside.name, stream)
        files[path] = lambda stream: stream.write(proto.SerializeToString())
    for place, text in (texts or {}).items():
        if place.absolute() == path.absolute():
            raise OutputError(f"{place}: named for two outputs at once; choose another name")
        check_output(place, model.path, overwrite)
        files[place] = _writer(text)
    _write(files)


def _serialized(proto: onnx.ModelProto) -> bytes | None:
    """Return a model as one message, or None where it is too large for one. Asking for its size would cost as much."""
    try:
        return proto.SerializeToString()
    except (ValueError, EncodeError):
        return None


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write a text file whole or not at all. Raises `OutputError`."""
    check_output(path, None, overwrite)
    _write({path: _writer(text)})


def _writer(text: str) -> Fill:
    return lambda stream: stream.write(text.encode())


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
