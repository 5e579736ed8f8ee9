"""The table of operators that multiply and sum, with what each costs by hand: one module a family."""

from mac_cases import attention, bodies, convolution, products, quantized, recurrent
from mac_cases.case import CASES, MacCase

__all__ = ["CASES", "MacCase", "attention", "bodies", "convolution", "products", "quantized", "recurrent"]
