"""What came of it: one sentence for whoever reads nothing else, and the same as marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onnxprune.metrics import METRICS
from onnxprune.report.page.numbers import count, share, small

SAME_CLASS = "the class that scores highest is the same for {share} of {samples}"
OUTPUTS = {
    "top1-agreement": SAME_CLASS,
    "accuracy": "accuracy is {share} on {samples} ({dense} before)",
    "relative-error": "outputs moved by {share} (relative error on {samples})",
    "equal": "{share} of the output values are the same on {samples}",
}


@dataclass(frozen=True)
class Mark:
    """A word or two about one question; `tone` is good, warn, bad or none."""

    text: str
    tone: str


def sentence(data: Mapping[str, Any]) -> str:
    """Return the verdict as one sentence."""
    text = "; ".join([*_smaller(data), _faster(data), _outputs(data), _proved(data), *_ready(data)])
    return f"{text[:1].upper()}{text[1:]}."


def marks(data: Mapping[str, Any]) -> list[Mark]:
    """Return what holds and what does not, to be seen at a glance."""
    check, target, latency = data.get("verified"), data.get("target"), data.get("latency")
    verdict = (check or {}).get("verdict", "not verified")
    found = [Mark(verdict, {"proved": "good", "unchanged": "none"}.get(verdict, "warn"))]
    if latency is not None:
        found.append(Mark(f"measured {_speed(latency)}", _tone_of_speed(latency)))
    if target:
        found.append(Mark(*(("ready", "good") if target["ready"] else ("not ready", "bad"))))
        advised = sum(finding["status"] == "advised" for finding in target["findings"])
        found += [Mark(f"{advised} advised", "warn")] if advised else []
    if count := len(data.get("warnings") or ()):
        found.append(Mark(f"{count} warning{'s' if count > 1 else ''}", "warn"))
    return found


def outputs_by_drop(drift: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the outputs that lost most first; before all others those whose loss is not finite."""
    drops = {name: float("inf") if score["drop"] is None else score["drop"] for name, score in drift["outputs"].items()}
    return sorted(drift["outputs"].items(), key=lambda item: -drops[item[0]])


def _smaller(data: Mapping[str, Any]) -> Iterator[str]:
    zeros = data.get("sparsity")
    if zeros is not None:
        part = zeros["zeros"]["after"] / zeros["weights"] if zeros["weights"] else 0.0
        yield f"{share(part)} of {count(zeros['weights'])} weights are zero ({zeros['granularity']})"
    else:
        yield f"{_fewer(data['params'])} parameters and {_fewer(data['macs'])} MACs"
    kind = "compressed" if zeros is not None else "bytes"
    if (size := data.get(kind)) and size["before"]:
        less = 1 - size["after"] / size["before"]
        words = "the compressed file" if zeros is not None else "the file"
        yield f"{words} is {share(abs(less))} {'smaller' if less >= 0 else 'larger'}"


def _fewer(change: Mapping[str, int]) -> str:
    if not change["before"]:
        return "no"
    less = 1 - change["after"] / change["before"]
    return f"{share(abs(less))} {'fewer' if less >= 0 else 'more'}"


def _faster(data: Mapping[str, Any]) -> str:
    latency = data.get("latency")
    if latency is None:
        return "latency not measured"
    return f"{_speed(latency)}, measured in onnxruntime here"


def _speed(latency: Mapping[str, Any]) -> str:
    return str(latency["ratios"]["pruned"]["verdict"])


def _tone_of_speed(latency: Mapping[str, Any]) -> str:
    ratio = latency["ratios"]["pruned"]
    return "good" if ratio["high"] < 1 - ratio["noise"] else "warn"


def _outputs(data: Mapping[str, Any]) -> str:
    drift = data.get("drift")
    if not drift or not drift["outputs"]:
        return "what its outputs lost was not looked at"
    name, score = outputs_by_drop(drift)[0]
    samples = f"{drift['samples']} {'' if drift['real_data'] else 'made-up '}samples"
    template = OUTPUTS.get(score["metric"], f"{score['metric']} is {{share}} on {samples}")
    among = f" ({name}, the worst of {len(drift['outputs'])} outputs)" if len(drift["outputs"]) > 1 else ""
    return template.format(**_values(score), samples=samples) + among


def _values(score: Mapping[str, Any]) -> dict[str, str]:
    show = share if score["metric"] in METRICS and score["metric"] != "cosine" else small
    return {"share": show(score["value"]), "dense": show(score["dense"])}


def _proved(data: Mapping[str, Any]) -> str:
    check = data.get("verified")
    if check is None:
        return "not verified"
    verdict = check["verdict"]
    if verdict == "unchanged":
        return "nothing was removed"
    if data.get("sparsity") is not None:
        return f"every zero that was promised is {verdict} to be there"
    if verdict == "proved":
        return "the removal is proved exact (mask == slice)"
    return f"the proof is {verdict} on these inputs"


def _ready(data: Mapping[str, Any]) -> Iterator[str]:
    if target := data.get("target"):
        yield f"{'ready' if target['ready'] else 'not ready'} for {target['title']} ({target['version']})"
