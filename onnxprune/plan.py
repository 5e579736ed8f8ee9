"""The plan: what was chosen, as plain data that can be read, edited, saved and replayed on another checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxprune.apply import Changes, apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.errors import PlanError, UsageError
from onnxprune.files import Fill, write_files
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.reading import Entry, in_line, json_of
from onnxprune.tracing import Trace, display_name, trace

if TYPE_CHECKING:
    from onnxprune.plan_of_zeros import ZerosPlan

SCHEMA = "onnxprune-plan/1"

RECORDS: dict[str, Callable[[Entry, str], Any]] = {
    "keep": Entry.object,
    "copies": Entry.object,
    "sizes": Entry.list,
    "recovered": Entry.list,
    "added": Entry.list,
}
"""Fields that tell what was done, and how they are read; a plan may lack them."""


@dataclass(frozen=True)
class PlanDim:
    """One dim that shrinks: `keep` lists the units that stay, `members` the weight axes that they are units of."""

    name: str
    size: int
    keep: list[int]
    members: list[str]


@dataclass(frozen=True)
class Plan:
    """What to remove from one model. Fields as in the plan file; see docs/plan.md."""

    model: dict[str, Any]
    request: dict[str, Any]
    dims: list[PlanDim]
    keep: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    sizes: list[dict[str, Any]] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    @staticmethod
    def make(found: Trace, masks: Mapping[Dim, Mask], changes: Changes, request: dict[str, Any]) -> Plan:
        """Write down what was chosen for a traced model."""
        path = found.model.path
        dims = [
            PlanDim(found.names[dim], dim.size, np.flatnonzero(mask).tolist(), member_names(found, dim))
            for dim, mask in masks.items()
        ]
        identity = {"file": path.name if path else None, "sha256": found.model.sha256}
        return Plan(
            identity, request, dims, changes.keep, changes.copies, changes.sizes, changes.recovered, changes.added
        )

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the plan as JSON. Raises `OutputError`."""
        write_files(self.files(Path(path)), overwrite)

    def files(self, path: Path) -> Mapping[Path, Fill]:
        """Return what to write for it: one file."""
        text = self.as_text().encode()
        return {path: lambda stream: stream.write(text)}

    def as_text(self) -> str:
        """Return the plan as it is written to a file."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n"

    @staticmethod
    def load(path: str | Path) -> Plan | ZerosPlan:
        """Read a plan. Raises `PlanError` where the file is not one."""
        data = json_of(Path(path), PlanError)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise PlanError(f"{path}: not a plan; its schema must be {SCHEMA}")
        try:
            return _parsed(Entry(data), Path(path).parent)
        except ValueError as error:
            raise PlanError(f"{path}: not a complete plan: {error}") from None
        except UsageError as error:
            raise PlanError(f"{path}: its request cannot be right: {error}") from error

    def masks(self, found: Trace) -> dict[Dim, Mask]:
        """Return the masks that the plan means for a traced model. Raises `PlanError` at the first difference."""
        by_name = {name: dim for dim, name in found.names.items()}
        masks: dict[Dim, Mask] = {}
        for planned in self.dims:
            dim = by_name.get(planned.name)
            if dim in masks:
                raise PlanError(f"the plan lists '{in_line(planned.name)}' twice")
            if dim is None:
                raise PlanError(
                    f"the plan prunes '{in_line(planned.name)}', which this model does not have as a prunable dim"
                )
            if dim.size != planned.size:
                raise PlanError(f"'{in_line(planned.name)}' has {dim.size} units here and {planned.size} in the plan")
            if planned.members and planned.members != member_names(found, dim):
                raise PlanError(f"'{in_line(planned.name)}' ties other weights together here than in the plan")
            mask = _mask(planned)
            if mask.sum() < found.axes.minimum(dim):
                raise PlanError(f"'{in_line(planned.name)}' must keep at least {found.axes.minimum(dim)} units")
            masks[dim] = mask
        return masks

    def apply(self, model: Model) -> tuple[Model, Trace, dict[Dim, Mask]]:
        """Return the pruned model, the trace of the dense one and the masks. Raises `PlanError` if it does not fit."""
        found = trace(model, allow_norm=bool(self.request.get("allow_norm")))
        masks = self.masks(found)
        return apply_masks(found, masks)[0], found, masks


def member_names(found: Trace, dim: Dim) -> list[str]:
    """Return the weight axes that a dim is part of, such as `conv1.weight[0]`, in node order."""
    return list(dict.fromkeys(f"{display_name(use.constant)}[{axis}]" for use, axis in found.members[dim]))


def _parsed(entry: Entry, folder: Path) -> Plan | ZerosPlan:
    """Return the plan that a file holds. Raises `ValueError` for a field that is none, `UsageError` for options."""
    if "masks" in entry:
        from onnxprune.plan_of_zeros import plan_of_zeros  # which builds on this module

        return plan_of_zeros(entry, folder)
    entry.check_keys(("schema", *(known.name for known in fields(Plan))))
    dims = entry.each("dims", _dim, lambda dim: dim.name)
    records = {key: read(entry, key) for key, read in RECORDS.items() if key in entry}
    plan = Plan(entry.object("model"), entry.object("request"), list(dims), **records)
    Options.of(plan.request)
    return plan


def _dim(entry: Entry) -> PlanDim:
    keep = entry.get("keep", "a list of units", lambda value: True)  # `_mask` names the dim where they are no units
    members = list(entry.texts("members")) if "members" in entry else []
    return PlanDim(entry.text("name"), entry.count("size"), keep, members)


def _mask(planned: PlanDim) -> Mask:
    keep = planned.keep
    units = keep if isinstance(keep, list) else []
    if not units or any(type(unit) is not int or not 0 <= unit < planned.size for unit in units):
        raise PlanError(
            f"'{in_line(planned.name)}': keep must list at least one unit, each from 0 to {planned.size - 1}"
        )
    if len(set(keep)) != len(keep):
        raise PlanError(f"'{in_line(planned.name)}': keep lists a unit twice")
    mask = np.zeros(planned.size, bool)
    mask[keep] = True
    return mask
