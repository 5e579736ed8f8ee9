"""Writing several files, all of them whole or none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, TypeAlias

from onnxprune.errors import OutputError
from onnxprune.files.check import check_free, check_output
from onnxprune.files.exchange import exchange, tidy
from onnxprune.files.locks import locked
from onnxprune.files.parts import part

Fill: TypeAlias = "Callable[[IO[bytes]], Any]"
"""Writes the content of a file."""


def write_files(files: Mapping[Path, Fill], overwrite: bool = False) -> None:
    """Write files, all of them or none; the last may rely on the others. Raises `OutputError`.

    Each is filled and brought to the disk under a hidden name in its folder, and only when all are complete they get
    their names. What runs that were killed left in these folders is removed first.
    """
    for path in files:
        check_output(path, (), overwrite)
    folders = {path.parent for path in files}
    path = Path()
    try:
        with locked(*folders):
            for folder in folders:
                tidy(folder)
        with ExitStack() as open_parts:
            parts = {}
            for path, fill in files.items():
                parts[path], stream = open_parts.enter_context(part(path.parent))
                fill(stream)
                stream.flush()
                os.fsync(stream.fileno())
                if sys.platform == "win32":
                    stream.close()  # no open file can be renamed there
            with locked(*folders):
                for path in parts:
                    check_free(path, overwrite)  # somebody may have taken the name meanwhile
                exchange(parts)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
