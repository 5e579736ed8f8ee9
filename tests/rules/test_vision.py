"""Sampling, regions and detection: channels pass, positions and choices are frozen."""

from __future__ import annotations

import numpy as np
from graphs import Graph
from onnx import TensorProto
from proof import prove, traced


def test_grid_sample() -> None:
    g = Graph()
    x = g.add("GridSample", g.conv(g.image(), 6), g.input(2, 4, 4, 2), mode="linear" if g.opset >= 20 else "bilinear")
    g.finish(x)
    prove(g.model(), [6])


def test_grid_computed_from_the_image_is_frozen() -> None:
    g = Graph()
    x = g.conv(g.image(), 6)
    grid = g.transpose(g.add("Tanh", g.conv(x, 2)), 0, 2, 3, 1)
    g.finish(g.add("GridSample", x, grid))
    prove(g.model(), [6])


def test_roi_align() -> None:
    g = Graph()
    regions = g.store([[0, 0, 3, 3], [1, 1, 5, 5], [0, 2, 4, 5]], np.float32)
    x = g.add("RoiAlign", g.conv(g.image(), 6), regions, g.ints(0, 1, 1), output_height=2, output_width=2)
    g.finish(x)
    prove(g.model(), [6])


def test_max_roi_pool() -> None:
    g = Graph()
    regions = g.store([[0, 0, 0, 3, 3], [1, 1, 1, 5, 5]], np.float32)
    g.finish(g.add("MaxRoiPool", g.conv(g.image(), 6), regions, pooled_shape=[2, 2], spatial_scale=1.0))
    prove(g.model(), [6])


def test_non_max_suppression_freezes_boxes_and_scores() -> None:
    g = Graph()
    x = g.add("Relu", g.conv(g.image(3, 4, 1), 6))
    boxes = g.reshape(g.conv(x, 4), 1, 16, 4)
    scores = g.reshape(g.conv(x, 5), 1, 5, 16)
    limits = [g.ints(3), g.store([0.5], np.float32), g.store([0.1], np.float32)]
    g.output(g.add("NonMaxSuppression", boxes, scores, *limits), g.add("Mul", boxes, g.store(1.0, np.float32)))
    prove(g.model(), [6])


def test_unique_freezes() -> None:
    g = Graph()
    g.output(g.add("Unique", g.add("Round", g.linear(g.input(5, 3), 4)), axis=0))
    traced(g.model(), [])


def test_compress_along_an_axis_passes_the_others() -> None:
    g = Graph()
    condition = g.store([True, False, True, True, False])
    g.output(g.linear(g.add("Compress", g.linear(g.input(2, 5, 3), 4), condition, axis=1), 2))
    prove(g.model(), [4])


def test_compress_of_the_flattened_input_freezes() -> None:
    g = Graph()
    g.output(g.add("Compress", g.linear(g.input(2, 3), 4), g.input(8, dtype=TensorProto.BOOL)))
    traced(g.model(), [])


def test_reverse_sequence() -> None:
    g = Graph()
    x = g.add("ReverseSequence", g.linear(g.input(5, 2, 3), 4), g.ints(3, 5), time_axis=0, batch_axis=1)
    g.output(g.linear(x, 2))
    prove(g.model(), [4])


def test_reverse_sequence_over_the_channels_freezes() -> None:
    g = Graph()
    x = g.add("ReverseSequence", g.linear(g.input(2, 3), 4), g.ints(3, 2), time_axis=1, batch_axis=0)
    g.output(g.linear(x, 2))
    traced(g.model(), [])


def test_columns_to_image() -> None:
    g = Graph(opset=18)
    columns = g.add("MatMul", g.weight(6 * 4, 3), g.input(2, 3, 9))
    g.finish(g.add("Col2Im", columns, g.ints(6, 6), g.ints(2, 2), strides=[2, 2]))
    prove(g.model(), [6])


def images_of_hidden_units(g: Graph) -> str:
    """A batch of as many images as there are hidden units, 4."""
    return g.transpose(g.linear(g.input(3, 6, 6, 5), 4), 3, 0, 1, 2)


def test_a_grid_follows_the_images_that_it_samples() -> None:
    g = Graph()
    grid = g.store(g.rng.uniform(-0.8, 0.8, (4, 2, 2, 2)), np.float32)
    x = g.add("GridSample", images_of_hidden_units(g), grid, mode="bilinear")
    g.output(g.linear(g.transpose(x, 1, 2, 3, 0), 2))
    prove(g.model(), [4])


def test_regions_that_name_their_image_keep_all_images() -> None:
    g = Graph()
    regions = g.store([[0, 0, 3, 3], [1, 1, 5, 5]], np.float32)
    x = images_of_hidden_units(g)
    g.output(g.add("RoiAlign", x, regions, g.ints(0, 3), output_height=2, output_width=2))
    traced(g.model(), [])


def test_sequences_whose_lengths_are_stored_stay() -> None:
    g = Graph()
    x = g.transpose(g.linear(g.input(5, 3), 4), 1, 0)
    x = g.add("ReverseSequence", x, g.ints(3, 5, 2, 4), time_axis=1, batch_axis=0)
    g.output(g.linear(g.transpose(x, 1, 0), 2))
    traced(g.model(), [])
