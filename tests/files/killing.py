"""Children that do something and are killed in the middle of it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection
from types import FrameType, ModuleType
from typing import Any


def dies_at(line: int, action: Callable[[], object], modules: Collection[ModuleType]) -> bool:
    """Do something in a child that kills itself when so many lines of some modules have run; tell whether it got there.

    The child dies as by SIGKILL: nothing of it runs any more.
    """
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            sys.settrace(_killer(line, {str(module.__file__) for module in modules}))
            action()
            failed = 0
        finally:
            os._exit(failed)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "what the child did failed"
    return os.WIFSIGNALED(status)


def _killer(line: int, sources: set[str]) -> Callable[[FrameType, str, Any], Any]:
    seen = 0

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        seen += event == "line"
        if seen == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return inside

    return lambda frame, event, _: inside if frame.f_code.co_filename in sources else None
