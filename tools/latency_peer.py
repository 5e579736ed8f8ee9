"""Torch-Pruning at a latency: the networks of `networks.py`, cut to widths that are multiples of 8, and exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import onnx
import peers
import torch
from tasks import Task
from train_models import RECIPES, export

if TYPE_CHECKING:
    from torch import nn

ROUND_TO = 8


class Peer:
    """What Torch-Pruning makes of a task's model: channels of the least L2 norm go, in one ranking or in each layer."""

    def __init__(self, task: Task, is_global: bool) -> None:
        torch.set_num_threads(1)
        self._images = torch.from_numpy(np.concatenate([feeds["input"] for feeds in task.calibration(0).batches]))
        self._dense = peers.dense_network(task, self._images)
        self._folds, self._is_global = RECIPES[task.name].fold_normalization, is_global

    def pruned(self, ratio: float) -> onnx.ModelProto:
        """Return the network without a ratio of its channels."""
        return export(self._cut(ratio), fold_normalization=self._folds)

    def treated(self, ratio: float) -> Mapping[str, onnx.ModelProto]:
        """Return it as it is, and with the statistics of BatchNormalization estimated again."""
        network = self._cut(ratio)
        plain = export(network, fold_normalization=self._folds)
        peers.estimate_statistics(network, self._images)
        return {"none": plain, "batchnorm": export(network, fold_normalization=self._folds)}

    def _cut(self, ratio: float) -> nn.Module:
        return peers.cut_network(self._dense, self._is_global, ratio, ROUND_TO)
