"""JSON as strict readers take it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onnxprune.errors import OnnxPruneError
from onnxprune.reading.plain import text_of


def json_of(path: Path, failure: type[OnnxPruneError], advice: str = "") -> Any:
    """Read a JSON file, in which no object has a key twice and every number is finite.

    Raises `failure`, which says why and gives some `advice`.
    """
    try:
        return json.loads(text_of(path), parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_object)
    except OSError as error:
        raise failure(f"{path}: cannot be read ({error.strerror}){advice}") from error
    except ValueError as error:
        raise failure(f"{path}: not a JSON file ({error}){advice}") from error
    except RecursionError:
        raise failure(f"{path}: not a JSON file (it is nested too deeply){advice}") from None


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice[:100]}' stands twice in one object")
    return found
