"""Running a model in stages: the same as running it at once, however little may be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import networks
import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import random_graph
from stage_graphs import computed_constants, control_flow, defaults, feeds_of, sequences, typed
from onnx import numpy_helper

from onnxprune.calibrate import stages as module
from onnxprune.calibrate.stages import Stages
from onnxprune.linear import by_depth, layers
from onnxprune.model import Model
from onnxprune.runtime import Session
