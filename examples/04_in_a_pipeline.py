"""A step of a CI pipeline: prune, write reports, and fail the build where the result is not good enough.

    python examples/04_in_a_pipeline.py [FOLDER] [--least 0.9] [--target ort-mobile] [--model MODEL]

The exit code is 1 where the model cannot be pruned, where its accuracy on labelled images is below --least, or where it
is not ready for the runtime that it goes to; a line says which. Out come pruned.onnx (with what the target wants beside
it), report.json and report.md in FOLDER (default: a temporary one), to be kept as artifacts, also of a model that was
not good enough. On GitHub, `cat report.md >> "$GITHUB_STEP_SUMMARY"` shows the report with the build. Reports need
`pip install 'onnxprune[report]'`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime

import onnxprune
from onnxprune.errors import OnnxPruneError

MODELS = Path(__file__).parents[1] / "models"


def accuracy(model: Path) -> float:
    """Return the share of labelled images that a classifier gets right: put your own measure here."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    test = np.load(MODELS / "digits_test.npz")
    logits = [session.run(None, {"input": batch})[0] for batch in np.array_split(test["input"], 15)]
    return float(np.mean(np.concatenate(logits).argmax(axis=1) == test["label"]))


def failures(pruned: Path, least: float, target: str) -> Iterator[str]:
    """Yield the reasons for which a pruned model must not be shipped."""
    reached = accuracy(pruned)
    print(f"accuracy {reached:.2%}, at least {least:.2%} wanted")
    if reached < least:
        yield f"the accuracy is {reached:.2%}, below {least:.2%}"
    verdict = onnxprune.check(pruned, target)
    print(f"{'ready' if verdict.is_ready else 'not ready'} for {verdict.target.title}")
    for finding in verdict.findings:
        if finding.status.value == "not met":
            yield f"{target}: {finding.seen.found}; {finding.fact.do}"


def main() -> int:
    """Prune, report and judge; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--least", type=float, default=0.9, help="the accuracy that a model must have")
    parser.add_argument("--target", default="ort-mobile", help="the runtime that it goes to")
    parser.add_argument("--model", type=Path, default=MODELS / "mobile_net.onnx", help="the dense model")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="onnxprune-"))
    folder.mkdir(parents=True, exist_ok=True)

    samples = MODELS / "digits_calibration.npz"
    reports = [folder / "report.md", folder / "report.json"]
    choices = {"budget": "macs", "target": options.target, "samples": 64}
    try:
        result = onnxprune.prune(options.model, 0.4, calibration=samples, **choices)
        result.save(folder / "pruned.onnx", overwrite=True)
        result.write_reports(*reports, overwrite=True)
        found = list(failures(folder / "pruned.onnx", options.least, options.target))
    except OnnxPruneError as error:  # one clear line each: what was wrong, and what to do
        found = [str(error)]
    for failure in found:
        print(f"FAILED: {failure}", file=sys.stderr)
    print(f"written to {folder}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
