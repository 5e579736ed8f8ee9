"""The nursery: a process that has imported all of onnxprune already, and forks a child for each command.

It reads one JSON object a line and answers with one: how the child ended. Run by `oracle`; of the tests it knows
`drafts` alone, so that it starts fast and nothing of theirs is in the way.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import onnx
import typer.main
from drafts import BROKEN

import onnxprune
from onnxprune.cli import app

COMMAND = typer.main.get_command(app)

UNCAUGHT = 70
"""Exit code of a child with an exception that nobody caught."""

CODE = "-c"
"""In place of a command: the next argument is code. So the oracle is tested."""

CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod"}
"""Events that change a folder; the last argument of each is an open folder that paths are relative to, or -1."""

SPARE_SECONDS = 6
"""How much longer than the CPU time that it may have a child may take by the clock, as a multiple of it."""


def main() -> None:
    """Answer commands until stdin ends."""
    _import_everything()
    _warm_up()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_raised(json.loads(line))), flush=True)


def _import_everything() -> None:
    for module in pkgutil.walk_packages(onnxprune.__path__, "onnxprune."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    importlib.import_module("onnxruntime")


def _warm_up() -> None:
    """Run one command here, so that children find loaded and made what the first command of a process does."""
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "first", [x], [y])
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None), contextlib.suppress(SystemExit):
        path = Path(folder) / "first.onnx"
        onnx.save(onnx.helper.make_model(graph), path)
        COMMAND(["inspect", str(path)])


def _raised(case: dict[str, Any]) -> dict[str, Any]:
    """Run one command in a child; return its exit code or signal, and what it took."""
    child = os.fork()
    if not child:
        code = UNCAUGHT
        try:
            code = _run(case)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": used.ru_utime + used.ru_stime,
        "megabytes": used.ru_maxrss // 1024,
    }


def _run(case: dict[str, Any]) -> int:
    folder = Path(case["folder"])
    os.chdir(folder)
    _redirect(folder)
    os.environ["XDG_CACHE_HOME"], tempfile.tempdir = str(folder / "cache"), str(folder / "tmp")
    _limit(case["seconds"], case["megabytes"], folder)
    _watch_files(folder)
    code = 0
    try:
        first, *others = case["arguments"]
        exec(others[0], {"os": os, "sys": sys}) if first == CODE else COMMAND([first, *others])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    output = case["output"]
    return BROKEN if code == 0 and output and not _loads(output) and _loads(case["model"]) else code


def _redirect(folder: Path) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)


def _limit(seconds: int, megabytes: int, folder: Path) -> None:
    """Bound CPU time, time by the clock and memory; leave a trace of where a child was that runs out of time."""
    faulthandler.enable()
    faulthandler.register(signal.SIGXCPU, chain=True)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds * SPARE_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _watch_files(folder: Path) -> None:
    """Note in `files` every file outside the folder that is opened, for reading or writing, under another."""
    log = os.open(folder / "files", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            writes = (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
            os.write(log, f"{'w' if writes else 'r'} {os.path.realpath(os.fsdecode(arguments[0]))}\n".encode())
        elif event in CHANGING:
            paths = [os.fsdecode(path) for path in arguments[:2] if isinstance(path, (str, bytes, os.PathLike))]
            within = f"/proc/self/fd/{arguments[-1]}" if arguments[-1] >= 0 else ""
            os.write(log, "".join(f"w {os.path.realpath(Path(within, path))}\n" for path in paths).encode())

    sys.addaudithook(note)


def _loads(path: str) -> bool:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception:  # of a dozen types without a common base
        return False
    return True


if __name__ == "__main__":
    main()
