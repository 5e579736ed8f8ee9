"""What a check against a target found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from onnxprune.targets.target import Fact, Target


class Status(str, Enum):
    """How a model stands to one fact."""

    MET = "met"
    NOT_MET = "not met"
    ADVISED = "advised"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Observation:
    """What a requirement saw in a model: whether it is met (None: nobody could be asked), in words, and at which nodes.

    `details` are figures for whoever reads the JSON. With `is_told` it is worth a line also where it is met.
    """

    is_met: bool | None
    found: str
    nodes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    is_told: bool = False


@dataclass(frozen=True)
class Finding:
    """A fact and what was seen of it. `is_new` where the model that was pruned had not that flaw; None: not known."""

    fact: Fact
    seen: Observation
    is_new: bool | None = None

    @property
    def status(self) -> Status:
        """How the model stands to the fact."""
        if self.seen.is_met is None:
            return Status.NOT_ASKED
        if self.seen.is_met:
            return Status.MET
        return Status.NOT_MET if self.fact.is_required else Status.ADVISED

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "requirement": self.fact.kind,
            "status": self.status.value,
            "required": self.fact.is_required,
            "found": self.seen.found,
            "told": self.seen.is_told,
            "nodes": list(self.seen.nodes),
            "new": self.is_new,
            "why": self.fact.why,
            "do": self.fact.do,
            "source": asdict(self.fact.source),
            "details": dict(self.seen.details),
        }


@dataclass(frozen=True)
class Verdict:
    """Everything that was found about a model and a target; `handover` are lines to paste."""

    target: Target
    findings: tuple[Finding, ...]
    handover: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether nothing that the target requires is missing."""
        return all(finding.status is not Status.NOT_MET for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "target": self.target.name,
            "title": self.target.title,
            "version": self.target.version,
            "ready": self.is_ready,
            "findings": [finding.as_dict() for finding in self.findings],
            "handover": list(self.handover),
        }
