"""What other pruning tools keep of a model's accuracy when they remove the same share of its parameters.

    python tools/peers.py [--models residual_cnn mobile_net] [--shares 0.5 0.75 0.9]

Torch-Pruning (group L2 magnitude over all layers together, or in each alone) works on the PyTorch networks of
`networks.py`, whose weights are taken back from the ONNX files, and onnxsim's `apply_structured_pruning` on the files.
Neither is fine-tuned. As the one repair that PyTorch users have without training, the statistics of BatchNormalization
are also estimated again, on the unlabelled calibration images. The ratio that each tool asks for is searched so that
the wanted share of the parameters is gone. Prints a table, and with --json the rows.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import onnx
from onnx import numpy_helper
from rich.console import Console
from rich.table import Table
from tasks import Task
from tasks.images import task as image_task
from tasks.task import AnyModel, outputs

from onnxprune.cost import cost_of
from onnxprune.errors import ModelError
from onnxprune.pipeline import read
from onnxprune.tracing import trace

if TYPE_CHECKING:
    from torch import Tensor, nn

MODELS = ("residual_cnn", "mobile_net")
SHARES = (0.5, 0.75, 0.9)
SCOPES = ("global", "local")
TOLERANCE = 0.01
"""How far from the wanted share a result may be; the search goes on to a fifth of it."""
STEPS = 14
"""Bisections of the ratio at most; then the closest that was found has to do."""

Pruned = TypeVar("Pruned")


@dataclass(frozen=True)
class Row:
    """What one tool did to one model; `params_removed` and `accuracy` are None where it did not come that far.

    `seconds` are those of the pruning alone, without the search for its ratio.
    """

    tool: str
    setting: str
    model: str
    wanted: float
    params_removed: float | None = None
    accuracy: float | None = None
    seconds: float | None = None
    note: str = ""


def main() -> None:
    """Measure every peer that is installed."""
    options = _arguments()
    tasks = map(image_task, options.models)
    rows = [row for task in tasks for share in options.shares for row in measure(task, share)]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        _show(rows)


def measure(task: Task, share: float) -> Iterator[Row]:
    """Remove a share of the parameters of a model with every peer, and score what is left."""
    for tool, package, peer in (("Torch-Pruning", "torch_pruning", _torch_pruning), ("onnxsim", "onnxsim", _onnxsim)):
        if find_spec(package):
            yield from peer(task, share)
        else:
            yield Row(tool, "", task.name, share, note="not installed")


def _torch_pruning(task: Task, share: float) -> Iterator[Row]:
    import torch

    torch.set_num_threads(1)
    images = torch.from_numpy(np.concatenate([feeds["input"] for feeds in task.calibration(0).batches]))
    dense = dense_network(task, images)
    for scope in SCOPES:
        cut = partial(cut_network, dense, scope == "global")
        network, seconds = _at_share(share, cut, lambda pruned: 1 - _size(pruned) / _size(dense))
        yield _torch_row(task, share, f"L2, {scope}", network, seconds)
        started = time.perf_counter()
        estimate_statistics(network, images)
        seconds += time.perf_counter() - started
        yield _torch_row(task, share, f"L2, {scope}, BN re-estimated", network, seconds)


def _onnxsim(task: Task, share: float) -> Iterator[Row]:
    from onnxsim import apply_structured_pruning

    dense = onnx.load(task.model)
    for scope in SCOPES:

        def cut(ratio: float, everywhere: bool = scope == "global") -> onnx.ModelProto:
            pruned: onnx.ModelProto = apply_structured_pruning(copy.deepcopy(dense), ratio, "l2", everywhere)
            return pruned

        pruned, seconds = _at_share(share, cut, lambda pruned: 1 - _parameters(pruned) / _parameters(dense))
        yield _row(task, share, ("onnxsim", f"L2, {scope}"), pruned, seconds)


def _at_share(
    share: float, prune: Callable[[float], Pruned], removed: Callable[[Pruned], float]
) -> tuple[Pruned, float]:
    """Return what is pruned at the ratio that removes the share most closely, and the seconds that it took."""
    low, high = 0.0, 1.0
    found: list[tuple[float, Pruned, float]] = []
    for _ in range(STEPS):
        ratio = (low + high) / 2
        started = time.perf_counter()
        pruned = prune(ratio)
        seconds = time.perf_counter() - started
        found.append((abs(removed(pruned) - share), pruned, seconds))
        if found[-1][0] < TOLERANCE / 5:
            break
        low, high = (ratio, high) if removed(pruned) < share else (low, ratio)
    _, pruned, seconds = min(found, key=lambda attempt: attempt[0])
    return pruned, seconds


def _row(task: Task, share: float, how: tuple[str, str], pruned: onnx.ModelProto, seconds: float) -> Row:
    removed = 1 - _parameters(pruned) / _parameters(task.model)
    note = "" if abs(removed - share) < TOLERANCE else "not near the share at any ratio"
    if not removed:
        note = "does nothing, silently"
    try:
        return Row(*how, task.name, share, removed, task.score(pruned)["accuracy"], seconds, note)
    except ModelError as error:
        return Row(*how, task.name, share, removed, None, seconds, str(error))


def _parameters(model: AnyModel) -> float:
    """Count parameters as onnxprune reports them."""
    return cost_of(trace(read(model))).params({})


def _torch_row(task: Task, share: float, setting: str, network: nn.Module, seconds: float) -> Row:
    from train_models import RECIPES, export

    pruned = export(network, fold_normalization=RECIPES[task.name].fold_normalization)
    return _row(task, share, ("Torch-Pruning", setting), pruned, seconds)


def dense_network(task: Task, images: Tensor) -> nn.Module:
    """Return the PyTorch network of a task with the weights of its ONNX file, in evaluation mode.

    Where the file has BatchNormalization folded into its convolutions, the network gets a normalization behind each
    that changes nothing: by the mean and spread of `images` [count, 3, 32, 32] there, and back again. Raises
    `ModelError` where the network does not compute what the file does.
    """
    import torch
    from train_models import RECIPES

    model = onnx.load(task.model)
    network = RECIPES[task.name].build().eval()
    state = network.state_dict()
    stored = {name: torch.from_numpy(values) for name, values in _stored(model).items()}
    network.load_state_dict({name: stored.get(name, value) for name, value in state.items()})
    folded = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] not in state]
    if folded:
        for (convolution, norm), node in zip(_normalized(network), folded, strict=True):
            convolution.weight.data.copy_(stored[node.input[1]])
            norm.bias.data.copy_(stored[node.input[2]])
        _spread_by(network, images)
    (logits,) = outputs(task.model, [{"input": images.numpy()}], "logits")
    with torch.no_grad():
        if not np.allclose(network(images), logits, atol=1e-3):
            raise ModelError(f"{task.name}: the network of networks.py does not compute what {task.model.name} does")
    return network


def _spread_by(network: nn.Module, images: Tensor) -> None:
    """Let normalizations that only add their bias divide by the spread of their input and multiply by it again."""
    import torch

    def unfold(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)

    hooks = [norm.register_forward_pre_hook(unfold) for _, norm in _normalized(network)]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()


def _stored(model: onnx.ModelProto) -> dict[str, Any]:
    """Return the values of all initializers, also by the names that Identity gives to those that were merged."""
    values = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    return values


def _normalized(network: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Return the convolutions with the normalization behind each, in the order in which they are computed."""
    from torch import nn

    pairs = (module for module in network.modules() if isinstance(module, nn.Sequential) and len(module) == 2)
    return [(first, second) for first, second in pairs if isinstance(second, nn.BatchNorm2d)]


def cut_network(dense: nn.Module, everywhere: bool, ratio: float, round_to: int | None = None) -> nn.Module:
    """Return a copy of a network from which Torch-Pruning took a ratio of the channels, in multiples of `round_to`."""
    import torch
    import torch_pruning

    network = copy.deepcopy(dense)
    torch_pruning.pruner.BasePruner(
        network,
        torch.zeros(1, 3, 32, 32),
        torch_pruning.importance.GroupMagnitudeImportance(p=2),
        global_pruning=everywhere,
        pruning_ratio=ratio,
        round_to=round_to,
        ignored_layers=[network.head],
    ).step()
    return network


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def estimate_statistics(network: nn.Module, images: Tensor) -> None:
    """Replace the means and variances of BatchNormalization by those of the images, all in one batch."""
    import torch

    for _, norm in _normalized(network):
        norm.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(images)
    network.eval()


def _show(rows: Sequence[Row]) -> None:
    table = Table("model", "wanted", "tool", "setting", "removed", "accuracy", "s", "note")
    for row in rows:
        removed = "" if row.params_removed is None else f"{row.params_removed:.1%}"
        accuracy = "" if row.accuracy is None else f"{row.accuracy:.1%}"
        seconds = "" if row.seconds is None else f"{row.seconds:.2f}"
        table.add_row(row.model, f"{row.wanted:.0%}", row.tool, row.setting, removed, accuracy, seconds, row.note)
    Console().print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="of the parameters, to be removed")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
