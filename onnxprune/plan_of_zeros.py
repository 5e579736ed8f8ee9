"""The plan of a run that puts zeros into weights: what goes in JSON, the masks in an archive beside it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.errors import PlanError
from onnxprune.files import Fill, write_files
from onnxprune.options import Options
from onnxprune.plan import SCHEMA, Plan, member_names
from onnxprune.tracing import Trace

Mask = NDArray[np.bool_]
Order = NDArray[np.int64]


@dataclass(frozen=True)
class PlanOrder:
    """The order that the units of one dim were put into before any zero was; `members` as in `PlanDim`."""

    name: str
    order: list[int]
    members: list[str]


@dataclass(frozen=True)
class ZerosPlan:
    """Which weights become zero in one model. See docs/plan.md.

    `zeros` counts the zeros of each weight, by its name. `masks` returns, by the same names, masks in the stored shape,
    True where there is a zero; in a file they are bits, and have the shape of the model's weights again only there.
    """

    model: dict[str, Any]
    request: dict[str, Any]
    zeros: dict[str, int]
    masks: Callable[[str], Mask]
    orders: list[PlanOrder] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def files(self, path: Path) -> Mapping[Path, Fill]:
        """Return what to write: the plan as JSON at `path`, and the masks beside it."""
        archive = path.with_suffix(".masks.npz")
        text = self._as_text(archive.name).encode()
        return {path: lambda stream: stream.write(text), archive: self._write_masks}

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the plan and its masks, both or neither. Raises `OutputError`."""
        write_files(self.files(Path(path)), overwrite)

    def _as_text(self, archive: str) -> str:
        fields = {
            "schema": SCHEMA,
            "model": self.model,
            "request": self.request,
            "orders": [vars(order) for order in self.orders],
            "zeros": self.zeros,
            "masks": archive,
            "recovered": self.recovered,
            "added": self.added,
        }
        return json.dumps(fields, indent=1) + "\n"

    def _write_masks(self, stream: IO[bytes]) -> None:
        """Write one array of bits for each weight, one weight at a time."""
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in self.zeros:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.packbits(self.masks(name)))

    def orders_of(self, found: Trace) -> dict[Dim, Order]:
        """Return the orders for a traced model. Raises `PlanError` at the first difference."""
        dims = {name: dim for dim, name in found.names.items()}
        orders: dict[Dim, Order] = {}
        for planned in self.orders:
            dim = dims.get(planned.name)
            if dim is None or planned.members != member_names(found, dim):
                raise PlanError(f"the plan permutes '{planned.name}', which this model does not have as such a dim")
            if sorted(planned.order) != list(range(dim.size)):
                raise PlanError(f"'{planned.name}': order must list each of its {dim.size} units once")
            orders[dim] = np.array(planned.order, np.int64)
        return orders

    def mask(self, name: str, shape: tuple[int, ...]) -> Mask:
        """Return the mask of a weight in its shape. Raises `PlanError` where the archive does not have it."""
        bits = self.masks(name)
        size = int(np.prod(shape))
        if bits.shape == shape:
            return bits
        if bits.size - size not in range(8):
            raise PlanError(f"'{name}' has {size} elements here and other masks in the plan")
        return bits[:size].reshape(shape)


AnyPlan: TypeAlias = "Plan | ZerosPlan"


def plan_of_zeros(data: dict[str, Any], folder: Path) -> ZerosPlan:
    """Return the plan that the fields of a file make; raises whatever a missing mask or a wrong field leads to."""
    archive = folder / str(data["masks"])
    try:
        with np.load(archive) as stored:
            missing = sorted(set(data["zeros"]) - set(stored.files))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise PlanError(
            f"{archive}: the masks of the plan cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error
    if missing:
        raise PlanError(f"{archive}: has no mask for '{missing[0]}'")
    Options.of(data["request"])
    orders = [PlanOrder(order["name"], order["order"], order["members"]) for order in data["orders"]]
    zeros = {str(name): int(count) for name, count in data["zeros"].items()}
    return ZerosPlan(
        data["model"],
        data["request"],
        zeros,
        lambda name: _mask(archive, name),
        orders,
        data["recovered"],
        data["added"],
    )


def _mask(archive: Path, name: str) -> Mask:
    with np.load(archive) as stored:
        return np.unpackbits(stored[name]).astype(bool)
