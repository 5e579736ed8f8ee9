"""The masked twin: the dense model in which removed units are multiplied away where they are read."""

from __future__ import annotations

import numpy as np
import onnx
from networks import branchy, edit, plain, traced, values

from onnxprune.axes import Dim, Mask
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.runtime import run
from onnxprune.tracing import Trace
from onnxprune.verify.twin import Probe, copy_model, masked_twin

KEPT = np.array([1, 0, 1, 1, 0, 1, 1, 0], bool)


def first_masked(found: Trace) -> dict[Dim, Mask]:
    return {found.dims[0]: KEPT}


def masked_probes(probes: list[Probe]) -> list[Probe]:
    """The probes behind a mask; the others watch where the network ends."""
    return [probe for probe in probes if probe.masked != probe.pruned]


def test_without_masks_the_twin_is_the_dense_model() -> None:
    twin, probes = masked_twin(traced(branchy()), {})
    assert twin.proto == branchy() and masked_probes(probes) == []


def test_the_twin_computes_what_the_model_computes_when_nobody_reads_the_removed_units() -> None:
    found = traced(plain())
    twin, _ = masked_twin(found, first_masked(found))
    deaf = edit(plain(), "conv2.weight", lambda w: (w * KEPT.reshape(1, -1, 1, 1)).astype(np.float32))
    feeds = usable_feeds(found)
    np.testing.assert_allclose(run(twin, feeds)[0], run(Model(deaf), feeds)[0], rtol=1e-5, atol=1e-6)
    assert not np.allclose(run(twin, feeds)[0], run(found.model, feeds)[0])


def test_a_mask_stands_before_every_contraction_over_the_dim_and_nowhere_else() -> None:
    found = traced(branchy())
    twin, probes = masked_twin(found, first_masked(found))
    onnx.checker.check_model(twin.proto, full_check=True)
    masked = {
        node.name for node in twin.proto.graph.node if any(name.startswith("onnxprune_mask") for name in node.input)
    }
    readers = {node.name for node in twin.proto.graph.node if node.name in ("conv2", "side", "mix")}
    assert readers <= masked
    assert {"conv1", "from_left", "from_right", "fc"}.isdisjoint(masked)
    assert {probe.pruned for probe in masked_probes(probes)} == {"bn1.relu", "concat"}


def test_masks_are_as_long_as_the_axis_that_they_mask() -> None:
    found = traced(branchy())
    twin, _ = masked_twin(found, first_masked(found))
    added = {name: value for name, value in values(twin.proto).items() if name not in values(branchy())}
    lengths = sorted(value.size for value in added.values())
    assert lengths == [8, 8, 14] and all(set(np.unique(value)) <= {0, 1} for value in added.values())


def test_probes_name_what_is_compared_on_each_side() -> None:
    found = traced(plain())
    twin, probes = masked_twin(found, first_masked(found))
    (probe,) = masked_probes(probes)
    (value,) = run(twin, usable_feeds(found), [probe.masked])
    assert probe.pruned == "bn1.relu" and value.shape == (2, 8, 5, 5)
    assert not value[:, ~KEPT].any() and value[:, KEPT].any()


def test_the_dense_model_is_left_alone() -> None:
    found = traced(branchy())
    masked_twin(found, first_masked(found))
    assert found.model.proto == branchy()


def test_a_copy_can_be_changed() -> None:
    model = Model(plain())
    copy_model(model).proto.graph.node[0].name = "changed"
    assert model.proto == plain()
