"""Targets: what the runtimes that models go to need and want, as records of facts with the source of each.

`records/` holds one JSON file a target. Nothing anywhere asks what a target is called: `readiness` has one function for
each kind of fact.
"""

from onnxprune.targets.target import DEFAULT, Fact, Pattern, Source, Target, find, names

__all__ = ["DEFAULT", "Fact", "Pattern", "Source", "Target", "find", "names"]
