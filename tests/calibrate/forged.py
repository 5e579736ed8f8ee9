"""Archives and arrays as nobody's numpy writes them."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

FLOATS = "<f4"


def stored(array: Any) -> bytes:
    """An array as an .npy."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=True)
    return stream.getvalue()


def header(shape: str, dtype: str = repr(FLOATS), order: str = "False") -> bytes:
    """The beginning of an .npy that says anything of itself."""
    text = f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(path: Path, *members: tuple[str, bytes], packing: int = zipfile.ZIP_STORED) -> Path:
    """An archive of such members, whose names may be the same."""
    with zipfile.ZipFile(path, "w", packing) as found:
        for name, content in members:
            found.writestr(name, content)
    return path


def changed_directory(path: Path, field: int, value: int) -> Path:
    """Change four bytes, counted from its beginning, of the first entry in the directory of an archive."""
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02") + field
    content[start : start + 4] = struct.pack("<I", value)
    path.write_bytes(bytes(content))
    return path


CRC, PACKED_SIZE, SIZE = 16, 20, 24
"""Where the directory has the checksum of a member, and how long it is packed and unpacked."""
