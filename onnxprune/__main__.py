"""`onnxprune`, and `python -m onnxprune`: the command line, stopped in one line from its first moment on."""

from __future__ import annotations

import signal
import sys
from types import FrameType

EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        from onnxprune.cli import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; no file is half written\n")
        sys.exit(EXIT_INTERRUPTED)


def _terminated(number: int, frame: FrameType | None) -> None:
    """End as after an error, so that what was being written is removed."""
    sys.exit(EXIT_TERMINATED)


if __name__ == "__main__":
    main()
