"""`onnxprune`, and `python -m onnxprune`: the command line, stopped in one line from its first moment on."""

from __future__ import annotations

import sys

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    try:
        from onnxprune.cli import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; no file is half written\n")
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
