"""Writing files: all of them whole or none, never over what is read, and nothing is left of a run that was killed."""

from onnxprune.files.check import check_output
from onnxprune.files.write import Fill, write_files

__all__ = ["Fill", "check_output", "write_files"]
