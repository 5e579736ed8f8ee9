"""Ways to make a model hostile, by name. Each is a small function; importing a family fills the table."""

from model_mutations import (
    bodies,
    bytes_of_the_file,
    declarations,
    names,
    operators,
    outside,
    settings,
    shapes,
    sizes,
    values,
)
from model_mutations.registry import MUTATIONS, mutate

__all__ = [
    "MUTATIONS",
    "bodies",
    "bytes_of_the_file",
    "declarations",
    "mutate",
    "names",
    "operators",
    "outside",
    "settings",
    "shapes",
    "sizes",
    "values",
]
