"""A model that is being made hostile: its message, or bytes in place of it, and the files beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx

MODEL = "in/model.onnx"
"""Where commands find the model."""

BROKEN = 71
"""Exit code of a child whose output does not load, though the model does."""

SECRET = "secret"
"""The name of a file outside of the model's folder that no model has any business with."""


@dataclass
class Draft:
    """A model that mutations change in place. `data` are the bytes of its file where those of `proto` will not do."""

    proto: onnx.ModelProto
    files: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None

    def content(self) -> bytes:
        """Return the bytes of the model's file."""
        return self.proto.SerializeToString() if self.data is None else self.data

    def write(self, folder: Path) -> None:
        """Write the model and what is beside it, and a secret beside the folder."""
        (folder.parent / SECRET).write_bytes(b"\0" * 10_000)
        (folder / Path(MODEL).name).write_bytes(self.content())
        for name in self.files.keys() - self.links.keys():
            (folder / name).write_bytes(self.files[name])
        for name, target in self.links.items():
            (folder / name).symlink_to(target)
