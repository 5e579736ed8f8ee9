"""Edit a model in onnx-graphsurgeon, prune the graph as it is in memory, and go on editing what comes back.

    python examples/05_with_graphsurgeon.py [FOLDER]

A classifier gets a Softmax behind its logits, half of its channels go, and the pruned graph loses the output that is
no longer needed. Out comes pruned.onnx in FOLDER (default: a temporary one), with `probabilities` as its only output.

What to know: onnx-graphsurgeon drops metadata (class names of a detector), notes and quantization annotations when it
exports. Where you have them, copy `metadata_props` over in the end, as below. `result.save` keeps what is there.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import onnxruntime

import onnxprune

MODELS = Path(__file__).parents[1] / "models"


def with_softmax(graph: gs.Graph) -> gs.Graph:
    """Add the output `probabilities` behind `logits`."""
    logits = graph.outputs[0]
    probabilities = gs.Variable("probabilities", dtype=np.float32, shape=logits.shape)
    graph.layer(op="Softmax", name="softmax", inputs=[logits], outputs=[probabilities], attrs={"axis": 1})
    graph.outputs.append(probabilities)
    return graph


def stored_numbers(graph: gs.Graph) -> int:
    """Return how many numbers the constants of a graph hold."""
    return sum(tensor.values.size for tensor in graph.tensors().values() if isinstance(tensor, gs.Constant))


def main() -> None:
    """Edit, prune, edit, write, and run what was written."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="onnxprune-"))
    folder.mkdir(parents=True, exist_ok=True)
    images = np.load(MODELS / "digits_calibration.npz")["input"]
    dense = onnx.load(MODELS / "mobile_net.onnx")

    graph = with_softmax(gs.import_onnx(dense))
    feeds = [{"input": images[start : start + 32]} for start in range(0, 128, 32)]
    result = onnxprune.prune(graph, 0.5, calibration=feeds, criterion="lamp")
    print(f"mask == slice: {result.report.verified['verdict']}")

    pruned = result.to_graphsurgeon()
    pruned.outputs = [output for output in pruned.outputs if output.name == "probabilities"]
    pruned.cleanup()
    model = gs.export_onnx(pruned)
    onnx.helper.set_model_props(model, {entry.key: entry.value for entry in dense.metadata_props})
    onnx.save(model, folder / "pruned.onnx")

    session = onnxruntime.InferenceSession(folder / "pruned.onnx", providers=["CPUExecutionProvider"])
    (rows,) = session.run(None, {"input": images[:8]})
    print(f"{stored_numbers(graph):,} stored numbers become {stored_numbers(pruned):,}")
    print(f"{session.get_outputs()[0].name}: {rows.shape}, rows sum to {rows.sum(axis=1).mean():.3f}")
    print(f"written to {folder}")


if __name__ == "__main__":
    main()
