from onnxprune.granularity import *  # noqa: D100, F403  (moved to onnxprune/granularity.py; import it from there)
