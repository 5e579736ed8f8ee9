"""The plan of a run that puts zeros into weights: what goes in JSON, the masks in an archive beside it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.errors import PlanError
from onnxprune.files import Fill, write_files
from onnxprune.options import Options
from onnxprune.plan import SCHEMA, Plan, member_names
from onnxprune.reading import Archive, Entry, in_line
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
                raise PlanError(
                    f"the plan permutes '{in_line(planned.name)}', which this model does not have as such a dim"
                )
            if sorted(planned.order) != list(range(dim.size)):
                raise PlanError(f"'{in_line(planned.name)}': order must list each of its {dim.size} units once")
            orders[dim] = np.array(planned.order, np.int64)
        return orders

    def mask(self, name: str, shape: tuple[int, ...]) -> Mask:
        """Return the mask of a weight in its shape. Raises `PlanError` where the archive does not have it."""
        bits = self.masks(name)
        size = int(np.prod(shape))
        if bits.shape == shape:
            return bits
        if bits.size - size not in range(8):
            raise PlanError(f"'{in_line(name)}' has {size} elements here and other masks in the plan")
        return bits[:size].reshape(shape)


AnyPlan: TypeAlias = "Plan | ZerosPlan"


def plan_of_zeros(entry: Entry, folder: Path) -> ZerosPlan:
    """Return the plan that a file in a folder holds.

    Raises `PlanError` where the masks cannot be read, `ValueError` for a field that is none, `UsageError` for options.
    """
    entry.check_keys(("schema", *(known.name for known in fields(ZerosPlan))))
    zeros = entry.get("zeros", "numbers of zeros by weight", lambda value: isinstance(value, dict) and _count(value))
    archive = _beside(entry.text("masks"), folder)
    with _blaming(archive), Archive(archive) as stored:
        for name, count in zeros.items():
            if name not in stored.keys:
                raise PlanError(f"{archive}: has no mask for '{in_line(name)}'")
            header = stored.header(name)
            if header.dtype != np.uint8 or len(header.shape) != 1:
                raise PlanError(f"{archive}: '{in_line(name)}' must be bits, uint8 [bytes]; found {header}")
            if count > 8 * header.bytes:
                raise PlanError(f"{archive}: '{in_line(name)}' has {8 * header.bytes} bits, too few for {count} zeros")
    plan = ZerosPlan(
        entry.object("model"),
        entry.object("request"),
        zeros,
        lambda name: _mask(archive, name),
        list(entry.each("orders", _order, lambda order: order.name)),
        list(entry.texts("recovered")),
        list(entry.texts("added")),
    )
    Options.of(plan.request)
    return plan


def _count(zeros: Mapping[str, Any]) -> bool:
    return all(type(count) is int and count >= 0 for count in zeros.values())


def _order(entry: Entry) -> PlanOrder:
    order = entry.get("order", "a list of units", lambda value: isinstance(value, list) and _are_units(value))
    return PlanOrder(entry.text("name"), order, list(entry.texts("members")))


def _are_units(values: list[Any]) -> bool:
    return all(type(value) is int for value in values)


def _beside(name: str, folder: Path) -> Path:
    """Return where the masks lie. Raises `PlanError` where that is outside the folder of the plan."""
    try:
        file = (folder / name).resolve()
        is_inside = folder.resolve() in file.parents
    except (OSError, RuntimeError, ValueError):  # a link to itself, a name that no file can have
        raise PlanError(f"the masks of the plan cannot be where it says ('{in_line(name)}')") from None
    if not is_inside:
        raise PlanError(f"{folder / name}: the masks of the plan lie outside its folder; refused")
    return file


@contextmanager
def _blaming(archive: Path) -> Iterator[None]:
    """Turn what is wrong with the file of masks into one line."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PlanError(f"{archive}: the masks of the plan cannot be read ({reason})") from error


def _mask(archive: Path, name: str) -> Mask:
    with _blaming(archive), Archive(archive) as stored:
        return np.unpackbits(stored.read(name)).astype(bool)
