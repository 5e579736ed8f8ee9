"""Calibration samples from what a user names: a file of arrays, a folder of arrays or images, or a Python function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from onnxprune.calibrate.batching import SAMPLES, Sampling, batched, spread
from onnxprune.calibrate.calibration import Calibration
from onnxprune.calibrate.columns import Record, columns_of
from onnxprune.calibrate.functions import is_function, load_function
from onnxprune.calibrate.images import SUFFIXES, ImageOptions, image_column
from onnxprune.calibrate.memory import Load
from onnxprune.calibrate.naming import inputs_in_order, keys_of, labels_of
from onnxprune.calibrate.specs import InputSpec, input_specs
from onnxprune.errors import DataError, UsageError
from onnxprune.model import Model
from onnxprune.options import DataOptions
from onnxprune.reading import Archive, array_on_disk, is_archive

ARRAYS = (".npy", ".npz")


def load_calibration(
    source: str,
    model: Model,
    *,
    samples: int | None = None,
    batch_size: int | None = None,
    labels: str | None = None,
    images: ImageOptions | None = None,
    memory_limit: int = DataOptions.memory_limit,
) -> Calibration:
    """Read calibration samples in batches that `model` can be run on.

    `source` is one of

    * an .npz whose keys are input names (any key will do where there is one input and one array) and whose arrays
      count samples along the axis that the model calls batch, or else the first;
    * an .npy for a model of one input;
    * a folder, searched with its sub-folders, of such files, in order of their paths; each may hold samples or a single
      one without the axis that counts them;
    * a folder of images for a model of one input, see `ImageOptions`; this needs Pillow;
    * `module:function` or `path/to/file.py:function`, see `functions.load_function`.

    At most `samples` (default: 512) are taken, evenly spread. An input whose batch is fixed at B is fed exactly B at a
    time, an open one `batch_size` (default: 32, or fewer where `memory_limit` leaves no room for what is computed on
    them). Samples that it leaves no room for are read again whenever they are needed. `labels` is the key of one
    integer for each sample, which is no input. Values are cast to the type of their input where nothing but precision
    is lost.

    Raises `DataError` where the source cannot be read or does not fit the model, `UsageError` for options that do not
    go with it, `ModelError` for a model that takes no tensors and `UnsupportedError` where Pillow is missing.
    """
    specs = input_specs(model)
    sampling = Sampling(SAMPLES if samples is None else samples, batch_size, Load(model), memory_limit)
    path = Path(source)
    files = _visible_files(path)
    pictures, arrays = ([file for file in files if file.suffix.lower() in kind] for kind in (SUFFIXES, ARRAYS))
    if pictures and arrays:
        raise DataError(f"{source}: holds both arrays and images; keep one kind in the folder")
    if not (pictures or arrays or is_function(source)):
        raise _no_source(path)
    if pictures:
        return _from_images(pictures, specs, images or ImageOptions(), sampling, labels, source)
    if images not in (None, ImageOptions()):
        raise UsageError(f"{source} holds no images; options for images go with images")
    if arrays:
        return _from_arrays(arrays, specs, sampling, labels, source, single=path.is_dir())
    return load_function(source, specs, sampling, labels)


def _visible_files(path: Path) -> list[Path]:
    """Return the files in a folder and its sub-folders in order of their paths, or the one that the path names."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    hidden = (any(part.startswith(".") for part in file.relative_to(path).parts) for file in found)
    return [file for file, is_hidden in zip(found, hidden, strict=True) if not is_hidden and file.is_file()]


def _from_images(
    files: Sequence[Path],
    specs: Sequence[InputSpec],
    options: ImageOptions,
    sampling: Sampling,
    labels: str | None,
    source: str,
) -> Calibration:
    [spec] = inputs_in_order(specs, 1, labels, source)
    return batched([image_column(files, spec, options, source)], sampling, source)


def _no_source(path: Path) -> DataError:
    known = "an .npz, an .npy, a folder of them or of images, or module:function"
    if not path.exists():
        return DataError(f"{path}: no such file or folder; give {known}")
    if path.is_dir():
        return DataError(f"{path}: no .npz, .npy or image in this folder; give {known}")
    return DataError(f"{path}: not a kind of file that calibration samples are read from; give {known}")


def _from_arrays(
    files: Sequence[Path], specs: Sequence[InputSpec], sampling: Sampling, labels: str | None, source: str, single: bool
) -> Calibration:
    """Read a file, or as many evenly spread ones as can be needed: each holds a sample or more."""
    needed = max(sampling.samples, *(spec.batch or 1 for spec in specs))
    records = [_read(files[place], specs, labels) for place in spread(len(files), needed)]
    for record in records:
        if record.arrays.keys() != records[0].arrays.keys():
            raise DataError(f"{record.where}: other arrays than in {records[0].where}; every file must hold the same")
    return batched(columns_of(specs, records, source, single), sampling, source, labels_of(records, labels))


def _read(path: Path, specs: Sequence[InputSpec], labels: str | None) -> Record:
    """Return the arrays of a file that are inputs or labels, on the disk unless they are packed. Raises `DataError`."""
    try:
        if is_archive(path):
            with Archive(path) as archive:
                keys = keys_of(specs, archive.keys, labels, str(path))
                return Record(str(path), {name: archive.on_disk(key) for name, key in keys.items()})
        values = array_on_disk(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: not a file of numbers that numpy can read ({error})") from error
    [spec] = inputs_in_order(specs, 1, labels, str(path))
    return Record(str(path), {spec.name: values})
