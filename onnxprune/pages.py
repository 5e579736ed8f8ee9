"""Reports as files: everything that is known of a run, and how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from onnxprune.files import write_files
from onnxprune.report.page import check_page, page_of
from onnxprune.report.provenance import provenance_of
from onnxprune.report.thumbnails import thumbnails

if TYPE_CHECKING:
    from onnxprune.result import Result


@dataclass(frozen=True)
class Pages:
    """The files that were asked for, by their suffixes .html, .md and .json, and what was run.

    `sensitivity` is the file that a choice went by. Raises `UsageError` and `UnsupportedError` for what cannot be made.
    """

    paths: Sequence[Path]
    command: str
    config: str
    sensitivity: Path | None = None

    def __post_init__(self) -> None:
        for path in self.paths:
            check_page(path)

    def write(self, result: Result, overwrite: bool = False) -> None:
        """Write all of them, or none. Raises `OutputError`."""
        if self.paths:
            data = self._data(result)
            write_files({path: partial(_write, page_of(data, path)) for path in self.paths}, overwrite)

    def _data(self, result: Result) -> dict[str, Any]:
        data = result.report.as_dict()
        data["provenance"] = provenance_of(result.report, result.trace, self.command, self.config)
        if self.sensitivity is not None:
            data["sensitivity"] = json.loads(self.sensitivity.read_text(encoding="utf-8"))
        if data["sparsity"] is not None and any(path.suffix == ".html" for path in self.paths):
            zeros = sorted(data["sparsity"]["layers"], key=lambda layer: -layer["zeros"])
            data["masks"] = thumbnails(result.pruned, [layer["name"] for layer in zeros])
        return data


def _write(content: bytes, stream: IO[bytes]) -> None:
    stream.write(content)
