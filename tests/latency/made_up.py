"""Made-up measurements: races that nobody ran, with the times that they are told."""

from __future__ import annotations

from onnxprune.bench import Race
from onnxprune.bench.race import Latency
from onnxprune.bench.ratio import Ratio
from onnxprune.latency.stopwatch import DENSE, PRUNED
from onnxprune.machine import Machine

MACHINE = Machine("Made-up 9000", 4, "1.0")
NOISE = 0.01


def race_of(ratio: float, dense_ms: float = 10.0, noise: float = NOISE) -> Race:
    """A race that the pruned model ran in such a share of the dense model's time, a thousandth more or less."""
    times = {DENSE: dense_ms, PRUNED: ratio * dense_ms}
    return Race(
        threads=1,
        rounds=20,
        clock="cpu",
        noise=noise,
        waiting_share=0.0,
        contestants={name: Latency(ms, ms, ms, ms) for name, ms in times.items()},
        ratios={PRUNED: Ratio(ratio, ratio - 0.001, ratio + 0.001, noise)},
    )
