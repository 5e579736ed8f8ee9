"""Files that are written beside a model for its target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnxprune.model import Model
from onnxprune.readiness.handover.ort import convert
from onnxprune.targets.target import Target


@dataclass(frozen=True)
class Writer:
    """Makes files of a model: their suffixes, and what makes their contents, in that order, and facts about them."""

    suffixes: tuple[str, ...]
    make: Callable[[Model], tuple[list[bytes], dict[str, Any]]]


WRITERS: Mapping[str, Writer] = {"ort": Writer((".ort", ".required_operators.config"), convert)}
"""What a record may name under `writes`."""


@dataclass(frozen=True)
class Handed:
    """Contents by where they go, and facts about them for the report."""

    files: Mapping[Path, bytes]
    facts: list[dict[str, Any]]


def beside(target: Target, path: Path) -> list[Path]:
    """Return which files are written beside a model at `path`."""
    return [path.with_suffix(suffix) for name in target.writes for suffix in WRITERS[name].suffixes]


def handed_files(target: Target, model: Model, path: Path) -> Handed:
    """Make what a target wants beside a model that goes to `path`. Raises `ModelError` where it cannot be made."""
    files: dict[Path, bytes] = {}
    facts = []
    for name in target.writes:
        writer = WRITERS[name]
        contents, known = writer.make(model)
        places = [path.with_suffix(suffix) for suffix in writer.suffixes]
        files |= dict(zip(places, contents, strict=True))
        facts.append({"kind": name, "files": [str(place) for place in places], **known})
    return Handed(files, facts)
