"""onnxruntime-web in a headless browser: a server that hands out models and takes back outputs and times."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import numpy as np
from cpu_time import renderer_cpu_ms
from engines import EngineError
from engines.engine import Arrays, interface
from numpy.typing import NDArray

PAGE = Path(__file__).with_name("web")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage")
KINDS = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""A page of its own may see time in steps of 5 us, others in steps of 100."""
SAMPLE_MS, MIN_ROUNDS = 50.0, 10
"""Asking for the CPU time costs the page some tenths of a millisecond, which a sample has to outweigh."""

COPY = "copy"


@dataclass
class Told:
    """What a browser has sent: outputs by model and set, and the milliseconds of all rounds by model.

    `browser` is its process, once it runs.
    """

    loaded: set[str] = field(default_factory=set)
    outputs: dict[str, dict[int, dict[str, NDArray[Any]]]] = field(default_factory=dict)
    shapes: dict[str, list[int]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    done: dict[str, Any] = field(default_factory=dict)
    finished: threading.Event = field(default_factory=threading.Event)
    browser: int | None = None

    def take(self, path: str, body: bytes) -> None:
        """Note one message."""
        kind, *words = unquote(path).strip("/").split("/", 3)
        if kind == "loaded":
            self.loaded.add(words[0])
        elif kind == "failed":
            self.failed[words[0]] = " ".join(body.decode().split())
        elif kind == "shape":
            self.shapes["/".join(words)] = json.loads(body)
        elif kind == "output":
            values = np.frombuffer(body, np.float32).reshape(self.shapes["/".join(words)])
            self.outputs.setdefault(words[0], {}).setdefault(int(words[1]), {})[words[2]] = values
        elif kind == "done":
            self.done = json.loads(body)
            self.finished.set()


def visit(
    browser: str,
    package: Path,
    models: Mapping[str, Path],
    feeds: Sequence[Arrays],
    seconds: float,
    time_limit: float,
) -> Told:
    """Run models in a browser, the first of them the baseline, and return what it tells.

    `package` is the folder of onnxruntime-web. Raises `EngineError` where the browser does not finish.
    """
    told = Told()
    served: dict[str, bytes | Path] = {f"/model/{place}.onnx": path for place, path in enumerate(models.values())}
    job = {
        "models": dict(zip(models, served, strict=True)),
        "feeds": [_given(place, arrays, served) for place, arrays in enumerate(feeds)],
        "outputs": interface(next(iter(models.values())))[1],
        **{"seconds": seconds, "rounds": MIN_ROUNDS, "sampleMs": SAMPLE_MS},
    }
    served["/job.json"] = json.dumps(job).encode()
    with _server(told, served, package) as address, TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", f"{address}/index.html"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        told.browser = process.pid
        try:
            if not told.finished.wait(time_limit):
                raise EngineError(f"the browser did not finish within {time_limit:.0f} s")
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # the browser, its pages, and the script that may have started it
            process.wait()
    return told


def _given(place: int, arrays: Arrays, served: dict[str, bytes | Path]) -> dict[str, Any]:
    """Serve a set of inputs, and return what the page is told of it."""
    told = {}
    for number, (name, values) in enumerate(arrays.items()):
        url = f"/input/{place}/{number}"
        served[url] = np.ascontiguousarray(values, np.float32).tobytes()
        told[name] = {"url": url, "shape": list(values.shape)}
    return told


@contextmanager
def _server(told: Told, served: Mapping[str, bytes | Path], package: Path) -> Iterator[str]:
    """Serve in a thread, and yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, told, served, package))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, told: Told, served: Mapping[str, bytes | Path], package: Path, *rest: Any) -> None:
        self._told, self._served, self._package = told, served, package
        super().__init__(*rest)

    def do_GET(self) -> None:
        """Hand out the page, the package, or what the job names."""
        found = self._found()
        self.send_response(200 if found is not None else 404)
        for name, value in ISOLATED.items():
            self.send_header(name, value)
        self.send_header("Content-Type", KINDS.get(Path(self.path).suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()
        self.wfile.write(found or b"")

    def do_POST(self) -> None:
        """Take a message."""
        self._told.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _found(self) -> bytes | None:
        if self.path == "/cpu":
            return f"{renderer_cpu_ms(self._told.browser):.6f}".encode()
        if self.path in self._served:
            known = self._served[self.path]
            return known.read_bytes() if isinstance(known, Path) else known
        folder = self._package / "dist" if self.path.startswith("/ort/") else PAGE
        file = folder / Path(self.path).name
        return file.read_bytes() if file.is_file() else None

    def log_message(self, *words: Any) -> None:
        """Say nothing."""
