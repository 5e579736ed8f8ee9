"""Prune a model, quantize it, and do both: what each gains, and whether the gains multiply.

    python tools/prune_and_quantize.py [MODEL] [--calibration SAMPLES] [--test TEST.npz] [--folder FOLDER]

Pruning comes first, since its repair changes real weights; onnxruntime quantizes what is left, with the same samples.
The four models are compared in size, MACs, accuracy (with `--test`, an .npz with labels) and measured latency.
`--folder` keeps the models, `--json` adds the figures to a file; tools/quantization_tables.py makes the table of
docs/quantization.md of it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.console import Console
from rich.table import Table

import onnxprune
from onnxprune.bench.benchmark import bench_models
from onnxprune.calibrate.source import samples_from
from onnxprune.compressed import compressed_size
from onnxprune.evaluate import evaluate_model, label_key
from onnxprune.machine import this_machine
from onnxprune.model import Model
from onnxprune.options import DataOptions, LatencyOptions
from onnxprune.pipeline import inspect_model
from onnxprune.runtime import Feeds

MODELS = Path(__file__).parents[1] / "models"
DENSE, PRUNED, QUANTIZED, BOTH = "dense", "pruned", "quantized", "pruned + quantized"
MULTIPLIED = ("bytes", "compressed", "macs", "latency")
"""What is left of these after both steps should be the product of what each leaves."""

ALL = 1_000_000
"""More samples than any test has."""

Figures = dict[str, dict[str, Any]]


class Samples(CalibrationDataReader):  # type: ignore[misc]
    """Samples as onnxruntime's quantizer asks for them: one batch after the other."""

    def __init__(self, source: str, model: Path) -> None:
        self._batches: Iterator[Feeds] = iter(samples_from(Model.load(model), DataOptions(calibration=source)).batches)

    def get_next(self) -> Feeds | None:
        """Return the next batch, or None behind the last."""
        return next(self._batches, None)


def prune(dense: Path, pruned: Path, amount: float, samples: str) -> None:
    """Remove a share of the MACs, and repair the weights that remain."""
    result = onnxprune.prune(dense, amount, budget="macs", calibration=samples)
    result.save(pruned, overwrite=True)


def quantize(model: Path, quantized: Path, samples: str) -> None:
    """Quantize weights and activations to 8 bits, as pairs of QuantizeLinear and DequantizeLinear.

    Weights are symmetric, so that zeros stay zeros. Activations are unsigned: onnxruntime's kernels for x86 are several
    times as fast with them as with its default, signed ones.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(model, prepared, skip_symbolic_shape=True)  # without skipping, it needs sympy
        quantize_static(
            prepared,
            quantized,
            Samples(samples, prepared),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"WeightSymmetric": True},
        )


def accuracy(path: Path, test: Path) -> float:
    """Return how often the only output of a model is right."""
    model = Model.load(path)
    labelled = DataOptions(calibration=str(test), samples=ALL, labels=label_key(str(test), model))
    (found,) = evaluate_model(model, samples_from(model, labelled)).outputs.values()
    return found.scores["accuracy"].value


def compare(models: Mapping[str, Path], test: Path | None, batch_size: int, seconds: float) -> Figures:
    """Return the figures of each model, by name; latency is a ratio to that of the first, `ms` is CPU time."""
    paths = list(models.values())
    found = bench_models(paths, LatencyOptions(seconds=seconds), [batch_size])
    race = found.races[0].race
    figures: Figures = {}
    for name, path in models.items():
        figures[name] = {
            "bytes": path.stat().st_size,
            "compressed": compressed_size([path]),
            "macs": inspect_model(path).macs,
            "accuracy": None if test is None else accuracy(path, test),
            "ms": race.contestants[path.name].cpu_ms,
            "latency": race.ratio(path.name).as_dict() if path != paths[0] else {"value": 1.0, "noise": race.noise},
        }
    return figures


def remaining(figures: Figures, name: str, measure: str) -> float:
    """Return what a model has of the dense model's bytes, MACs or latency, as a share."""
    value = figures[name][measure]
    return float(value["value"] if measure == "latency" else value / figures[DENSE][measure])


def multiplied(figures: Figures) -> dict[str, dict[str, Any]]:
    """Return what both steps leave, beside the product of what each leaves, and whether that is reached.

    Latency counts as reached within the noise of the measurement, and all else within one percent.
    """
    found = {}
    for measure in MULTIPLIED:
        pruned, quantized, both = (remaining(figures, name, measure) for name in (PRUNED, QUANTIZED, BOTH))
        slack = figures[BOTH]["latency"]["noise"] if measure == "latency" else 0.01
        product = pruned * quantized
        found[measure] = {"product": product, "both": both, "reached": both <= product * (1 + slack)}
    return found


def table(title: str, figures: Figures, products: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return what was found, as a table for the terminal: the dense model's figures, and what the others have of it."""
    made = Table(title=title, caption="below the first row: shares of the dense model")
    for heading in ("model", "size", "compressed", "MACs", "latency", "accuracy"):
        made.add_column(heading, justify="left" if heading == "model" else "right")
    for name, row in figures.items():
        shares = [f"{remaining(figures, name, measure):.3f}" for measure in MULTIPLIED]
        right = "-" if row["accuracy"] is None else f"{row['accuracy']:.2%}"
        made.add_row(name, *(in_units(row) if name == DENSE else shares), right)
    made.add_section()
    made.add_row("product of the two", *(f"{row['product']:.3f}" for row in products.values()))
    made.add_row("reached", *("yes" if row["reached"] else "no" for row in products.values()))
    return made


def in_units(row: Mapping[str, Any]) -> list[str]:
    """Return the figures of one model as they are shown."""
    sizes = (f"{row[measure] / 1000:,.0f} kB" for measure in ("bytes", "compressed"))
    return [*sizes, f"{row['macs'] / 1e6:,.1f} M", f"{row['ms']:.2f} ms"]


def main() -> None:
    """Make the four models, compare them and show the table."""
    options = _arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        names = {PRUNED: "pruned", QUANTIZED: "quantized", BOTH: "pruned.quantized"}
        models = {DENSE: options.model}
        models |= {name: folder / f"{options.model.stem}.{words}.onnx" for name, words in names.items()}
        prune(models[DENSE], models[PRUNED], options.amount, options.calibration)
        quantize(models[DENSE], models[QUANTIZED], options.calibration)
        quantize(models[PRUNED], models[BOTH], options.calibration)
        figures = compare(models, options.test, options.batch_size, options.seconds)
    products = multiplied(figures)
    title = f"{options.model.name}: {options.amount:.0%} of the MACs removed, int8, batch size {options.batch_size}"
    Console().print(table(title, figures, products))
    if options.json:
        _add(options.json, options.model.stem, {"amount": options.amount, "models": figures, "products": products})


def _add(path: Path, name: str, row: dict[str, Any]) -> None:
    """Put the figures of a model, and the machine that they are from, into a JSON file that may hold others."""
    found = json.loads(path.read_text()) if path.is_file() else {"rows": {}}
    found["machine"] = {**asdict(this_machine()), "onnx": version("onnx"), "onnxprune": onnxprune.__version__}
    found["rows"][name] = row
    path.write_text(json.dumps(found, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", type=Path, default=MODELS / "residual_cnn.onnx", metavar="MODEL")
    parser.add_argument("--calibration", help="unlabelled samples; default: those of models/")
    parser.add_argument("--test", type=Path, help="an .npz with labels; default: that of models/, for its samples")
    parser.add_argument("--amount", type=float, default=0.5, help="the share of the MACs to remove")
    parser.add_argument("--batch-size", type=int, default=8, help="of the runs that are timed")
    parser.add_argument("--seconds", type=float, default=20, help="how long the models are timed")
    parser.add_argument("--folder", type=Path, help="where the models are kept; default: nowhere")
    parser.add_argument("--json", type=Path, metavar="FILE", help="a file that the figures are added to")
    options = parser.parse_args()
    if options.calibration is None:
        options.calibration, options.test = str(MODELS / "digits_calibration.npz"), MODELS / "digits_test.npz"
    return options


if __name__ == "__main__":
    main()
