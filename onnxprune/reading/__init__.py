"""Reading what people give beside a model: a file may be anything, and none runs code, hangs or fills the memory."""

from onnxprune.reading.archives import Archive, is_archive
from onnxprune.reading.arrays import AnyArray, OnDisk, array_on_disk
from onnxprune.reading.entries import Entry
from onnxprune.reading.plain import in_line, opened, text_of
from onnxprune.reading.plain_json import json_of

__all__ = [
    "AnyArray",
    "Archive",
    "Entry",
    "OnDisk",
    "array_on_disk",
    "in_line",
    "is_archive",
    "json_of",
    "opened",
    "text_of",
]
