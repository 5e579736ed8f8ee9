"""What a run gives back: the pruned model, the plan, and the report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

import onnx

from onnxprune.apply import Changes
from onnxprune.axes import Dim, Mask
from onnxprune.compressed import compressed_size
from onnxprune.files import check_output
from onnxprune.model import Model
from onnxprune.pages import Pages
from onnxprune.phases import WRITING, OnPhase, in_silence
from onnxprune.plan import Plan
from onnxprune.plan_of_zeros import AnyPlan
from onnxprune.readiness import lines_to_paste
from onnxprune.readiness.handover import handed_files
from onnxprune.report import Before, Report
from onnxprune.runtime import Session, in_one_piece
from onnxprune.save import save_model
from onnxprune.sparse_storage import to_sparse
from onnxprune.targets import find
from onnxprune.tracing import Trace


@dataclass(frozen=True)
class Result(ABC):
    """A pruned model, with what was done and how well it was shown to be right."""

    report: Report
    pruned: Model
    trace: Trace

    @property
    @abstractmethod
    def plan(self) -> AnyPlan:
        """What was removed, as plain data."""

    @property
    def model(self) -> onnx.ModelProto:
        """The pruned model. Zeros in external data are put in here, which takes the memory of the whole model."""
        return in_one_piece(self.pruned) if self.pruned.edits else self.pruned.proto

    def save(
        self,
        path: str | Path,
        overwrite: bool = False,
        plan: str | Path | None = None,
        on_phase: OnPhase = in_silence,
    ) -> None:
        """Write the pruned model, what its target wants beside it and, where asked for, the plan: all whole or none.

        Raises `OutputError`, and `ModelError` where the target's files cannot be made.
        """
        path, others = Path(path), {} if plan is None else self.plan.files(Path(plan))
        # A simplified model has its external data in it; what was given had files for them.
        source = self.trace.model
        given = (Model.load(source.path) if source.path and self.report.simplified else source).files()
        check_output(path, given, overwrite)
        target = find(self.report.options["target"])
        handed = handed_files(target, self.stored, path)
        others = {**others, **{place: partial(_write, content) for place, content in handed.files.items()}}
        pruned = save_model(self.stored, path, overwrite, others, partial(on_phase, WRITING))
        self.report.output = str(path)
        self.report.target |= {"files": handed.facts, "handover": list(lines_to_paste(self.stored, target, path))}
        if given:
            self.report.bytes = Before(*(sum(file.stat().st_size for file in files) for files in (given, pruned)))
            self.report.compressed = Before(compressed_size(given), compressed_size(pruned))
        self._note_what_was_written()

    def write_reports(self, *paths: str | Path, overwrite: bool = False) -> None:
        """Write everything that is known of the run as .html, .md or .json files: all of them or none.

        Raises `UsageError` for other suffixes, `UnsupportedError` where the extra `report` is not installed, and
        `OutputError`.
        """
        Pages([Path(path) for path in paths], "", "").write(self, overwrite)

    def _note_what_was_written(self) -> None:  # noqa: B027  (most kinds of result know everything before)
        """Put into the report what is only known of a written model."""

    @cached_property
    def stored(self) -> Model:
        """The model as it is to be stored; sparse tensors are shown to load unless nothing is to be shown."""
        if not self.report.options["sparse_storage"]:
            return self.pruned
        stored = to_sparse(self.pruned)
        if stored.saved and self.report.verified is not None:
            Session(stored.model)
        left = [{"name": name, "reason": reason} for name, reason in stored.left.items()]
        self.report.storage = {"saved": stored.saved, "left": left}
        return stored.model

    def to_graphsurgeon(self) -> Any:
        """Return the pruned model as an onnx_graphsurgeon Graph."""
        import onnx_graphsurgeon

        return onnx_graphsurgeon.import_onnx(self.model)


def _write(content: bytes, stream: IO[bytes]) -> None:
    stream.write(content)


@dataclass(frozen=True)
class ChannelResult(Result):
    """A model that lost whole units of its dims."""

    masks: Mapping[Dim, Mask]
    changes: Changes

    @cached_property
    def plan(self) -> Plan:
        """What was removed, as plain data."""
        return Plan.make(self.trace, self.masks, self.changes, self.report.options)
