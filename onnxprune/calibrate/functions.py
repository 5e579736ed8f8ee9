"""Calibration samples that a Python function of the user's makes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from onnxprune.calibrate.batching import Sampling, batched
from onnxprune.calibrate.calibration import Calibration
from onnxprune.calibrate.columns import Record, columns_of
from onnxprune.calibrate.naming import inputs_in_order, keys_of, labels_of
from onnxprune.calibrate.specs import InputSpec
from onnxprune.errors import DataError

END = object()
"""Marks the end of the feeds."""


def is_function(source: str) -> bool:
    """Whether a source looks like `module:function` or `path/to/file.py:function`."""
    place, _, name = source.rpartition(":")
    return bool(place) and name.isidentifier()


def load_function(source: str, specs: Sequence[InputSpec], sampling: Sampling, labels: str | None) -> Calibration:
    """Call a function without arguments and batch the samples that it gives.

    It may yield feeds, or return an iterable of them, as data loader scripts of Polygraphy do: each is a batch that is
    run as it is if the model and `sampling` allow, and no more are asked for than are needed. Or it may return a dict,
    a tuple or an array that holds all samples and is batched like an .npz. A feed is a dict by input name, a tuple or
    list in the order of the model's inputs, or an array for a single input; whatever numpy makes an array of will do.
    `labels` is a key of the dicts.

    While the function runs, modules beside its file (or in the current folder, for `module:function`) can be imported,
    and what it prints goes to stderr. Raises `DataError` where it cannot be imported, raises anything itself, or gives
    what the model cannot take.
    """
    place, _, name = source.rpartition(":")
    with _importing_from(Path(place).parent if place.endswith(".py") else Path()), redirect_stdout(sys.stderr):
        function = _function(place, name)
        with _blaming(source):
            given = function()
        if isinstance(given, (Mapping, tuple)) or hasattr(given, "__array__"):
            record = _record(given, specs, labels, source)
            return batched(columns_of(specs, [record], record.where), sampling, source, labels_of([record], labels))
        records = (
            _record(feed, specs, labels, f"{source}, feed {number}")
            for number, feed in enumerate(_items(given, source), 1)
        )
        return _as_given(records, specs, sampling, labels, source)


def _as_given(
    records: Iterable[Record], specs: Sequence[InputSpec], sampling: Sampling, labels: str | None, source: str
) -> Calibration:
    """Return one feed after the other, each whole if the model and `sampling` allow, until there are enough samples."""
    parts: list[Calibration] = []
    missing = sampling.samples
    for record in records:
        still = replace(sampling, samples=missing)
        columns = columns_of(specs, [record], record.where)
        parts.append(batched(columns, still, record.where, labels_of([record], labels), open_size=missing))
        missing -= parts[-1].samples
        if missing <= 0:
            break
    if not parts:
        raise DataError(f"{source}: gave no samples")
    return Calibration(
        batches=tuple(batch for part in parts for batch in part.batches),
        sizes=tuple(size for part in parts for size in part.sizes),
        source=source,
        real=True,
        labels=np.concatenate([part.labels for part in parts if part.labels is not None]) if labels else None,
    )


def _record(feed: Any, specs: Sequence[InputSpec], labels: str | None, where: str) -> Record:
    """Return what a feed holds, by the names of the inputs and of the labels."""
    if isinstance(feed, Mapping):
        keys = keys_of(specs, list(feed), labels, where)
        values = {name: feed[key] for name, key in keys.items()}
    else:
        in_order = feed if isinstance(feed, (tuple, list)) else [feed]
        inputs = inputs_in_order(specs, len(in_order), labels, where)
        values = {spec.name: value for spec, value in zip(inputs, in_order, strict=True)}
    with _blaming(f"{where}: numpy"):
        return Record(where, {name: np.asarray(value) for name, value in values.items()})


def _function(place: str, name: str) -> Callable[[], Any]:
    if place.endswith(".py") and not Path(place).is_file():
        raise DataError(f"{place}: no such file")
    with _blaming(f"importing {place}"):
        module = _module(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    function: Callable[[], Any] | None = getattr(module, name, None)
    if not callable(function):
        raise DataError(f"{place}: no function '{name}' in it")
    return function


def _module(path: Path) -> ModuleType:
    """Run a file as a module, under a name that hides no other: its classes may look their module up."""
    name = f"calibration samples of {path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader, "a .py file has a loader"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _items(given: Any, source: str) -> Iterator[Any]:
    if not isinstance(given, Iterable):
        raise DataError(f"{source}: gave {type(given).__name__}; it must return or yield arrays by input name")
    with _blaming(source):
        feeds = iter(given)
    while True:
        with _blaming(source):
            feed = next(feeds, END)
        if feed is END:
            return
        yield feed


@contextmanager
def _blaming(who: str) -> Iterator[None]:
    """Turn whatever code that is not ours raises, even an exit, into one line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{who} raised {reason[:300]}; --verbose shows where") from error


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let modules in a folder be imported."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
