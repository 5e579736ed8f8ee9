"""Batches that are not held: each is made when it is asked for, and again the next time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

from onnxprune.runtime import Feeds


class Lazy(Sequence[Feeds]):
    """So many batches, and what makes them by their places."""

    def __init__(self, count: int, make: Callable[[int], Feeds]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Feeds: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Feeds]: ...
    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._make(each) for each in range(self._count)[place]]
        return self._make(range(self._count)[place])
