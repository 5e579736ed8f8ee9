"""Recurrent layers: both matrices once for each step, sample, direction and gate."""

from __future__ import annotations

import numpy as np

from mac_cases.case import MacGraph, costs, fused

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def _layer(op_type: str, direction: str) -> None:
    gates, both = GATES[op_type], 2 if direction == "bidirectional" else 1

    def build(g: MacGraph) -> None:
        """7 steps, batch 2, in each direction: gates of 6 units, from 4 given numbers and the 6 fed back."""
        weights = [g.ones(both, gates * 6, 4), g.ones(both, gates * 6, 6), g.ones(both, 2 * gates * 6)]
        y = g.nodes_of(op_type, [g.input(7, 2, 4), *weights], 1, hidden_size=6, direction=direction)
        g.output(*y)

    build.__name__ = f"{op_type.lower()}_{direction}"
    costs(op_type, 7 * 2 * both * gates * 6 * (4 + 6))(build)


for _op_type in GATES:
    for _direction in ("forward", "reverse", "bidirectional"):
        _layer(_op_type, _direction)


@costs("LSTM", 7 * 2 * 4 * 6 * (4 + 6))
def lstm_with_the_batch_first(g: MacGraph) -> None:
    """7 steps, batch 2, 4 gates of 6 units, from 4 given numbers and the 6 fed back; peepholes cost nothing."""
    given = [g.input(2, 7, 4), g.ones(1, 24, 4), g.ones(1, 24, 6), "", "", "", "", g.ones(1, 18)]
    g.output(*g.nodes_of("LSTM", given, 1, hidden_size=6, layout=1))


@fused("DynamicQuantizeLSTM", 7 * 2 * 2 * 4 * 6 * (4 + 6))
def dynamic_quantize_lstm(g: MacGraph) -> None:
    """7 steps, batch 2, two directions, 4 gates of 6 units, from 4 given numbers and the 6 fed back."""
    weights = [g.ones(2, 4, 24, dtype=np.int8), g.ones(2, 6, 24, dtype=np.int8), *[""] * 5]
    numbers = [g.ones(2), g.zeros(2, dtype=np.int8)] * 2
    attributes = {"hidden_size": 6, "direction": "bidirectional"}
    y = g.contrib("DynamicQuantizeLSTM", g.input(7, 2, 4), *weights, *numbers, **attributes)
    g.output(g.declare(y, np.float32, 7, 2, 2, 6))
