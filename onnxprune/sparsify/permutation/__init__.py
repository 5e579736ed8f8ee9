"""Better N:M masks by another order of channels (Pool and Yu, "Channel Permutations for N:M Sparsity", NeurIPS 2021).

An N:M pattern keeps the N best of every M consecutive input channels. Where the best channels stand together, good ones
go; where they are spread, few have to. Any order of the units of a dim gives the same model (`apply/reorder.py`).
"""

from onnxprune.sparsify.permutation.guard import same_outputs
from onnxprune.sparsify.permutation.orders import Reader, find_orders
from onnxprune.sparsify.permutation.search import find_order, kept

__all__ = ["Reader", "find_order", "find_orders", "kept", "same_outputs"]
