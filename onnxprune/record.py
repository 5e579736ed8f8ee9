"""What tracing writes down: where weights are used, what is contracted, and which numbers follow which sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from onnxprune.axes import EMPTY, ONE, Axes, Expr, size
from onnxprune.model import ConstantKey, NodeKey
from onnxprune.sizes import Content, Size

Slot: TypeAlias = "tuple[NodeKey, int]"
"""An input of a node: its key and the input's index."""


@dataclass(frozen=True)
class Tensor:
    """What is known of a value.

    `axes` is None where the rank is unknown; `content` holds small integers as sizes; `stored` names the constant
    that it is, unchanged.
    """

    axes: tuple[Expr, ...] | None
    content: Content | None = None
    stored: ConstantKey | None = None


@dataclass(frozen=True)
class Use:
    """A stored constant at one input of one node, with the axes that this use gives it."""

    constant: ConstantKey
    slot: Slot
    axes: tuple[Expr, ...]


@dataclass(frozen=True)
class Contraction:
    """An axis of an input that its node sums over: where a mask must act before the node.

    What is masked counts as zero, which is the number at input `zero` of the node where there is one.
    """

    slot: Slot
    axis: int
    expr: Expr
    zero: int | None = None


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates of one node: the product of the sizes of `axes`."""

    node: NodeKey
    axes: tuple[Expr, ...]

    @property
    def dense(self) -> int:
        """The product in the unpruned model, each open size as 1."""
        lengths = (size(axis) for axis in self.axes)
        return math.prod(1 if length is None else length for length in lengths)


@dataclass(frozen=True)
class Follow:
    """Element `place` of the integers at `slot` must equal `wanted`; in the dense graph it is `given` (None: lost)."""

    slot: Slot
    place: int
    wanted: Size
    given: Size | None
    why: str


@dataclass(frozen=True)
class AttributeFollow:
    """Attribute `name` of `node` (its element `place`, or the whole scalar) must equal `wanted`."""

    node: NodeKey
    name: str
    place: int | None
    wanted: Size


@dataclass(frozen=True)
class InputFollow:
    """The whole input at `slot` becomes a new constant with these sizes once one of them differs from its dense value.

    `instead_of` names an attribute that said the same and goes.
    """

    slot: Slot
    wanted: tuple[Size, ...]
    instead_of: str


@dataclass(frozen=True)
class AttributePin:
    """Attribute `name` of `node` is absent and its default depends on `size`: once that shrinks it becomes `value`."""

    node: NodeKey
    name: str
    value: float
    size: Size


@dataclass(frozen=True)
class InputDrop:
    """The optional input at `slot` holds what the operator assumes without it: it goes once `size` shrinks."""

    slot: Slot
    size: Size


@dataclass(frozen=True)
class Index:
    """A stored constant at `slot` whose values number positions of the axis `into`, which may shrink."""

    slot: Slot
    into: Expr


@dataclass(frozen=True)
class Mean:
    """A ReduceMean over `axes` that may shrink: its result has to be taken times kept / size to stay what it was."""

    node: NodeKey
    axes: tuple[Expr, ...]


@dataclass(frozen=True)
class Norm:
    """A normalization over the last axis, which may shrink; input `scale` scales it.

    LayerNormalization then takes its statistics over the kept units; for the root mean square (`is_rms`) there is
    an exact correction, a factor in the scale and in epsilon.
    """

    node: NodeKey
    axis: Expr
    is_rms: bool
    scale: int


@dataclass(frozen=True)
class Quantized:
    """An input that holds quantized numbers: a real number is (number - zero) times the product of the scales.

    `scales` and `zero` are inputs of the same node, with one number for all or one per position of `axis`. With
    `block` above 1 they have the rank of the input, and each holds for that many consecutive positions of `axis`.
    `bits` says how many bits of a byte a number takes where a byte packs several (0: it does not).
    """

    slot: Slot
    scales: tuple[int, ...]
    zero: int | None
    axis: int | None
    block: int
    bits: int = 0


@dataclass
class Record:
    """Everything that rules noted while the graph was walked.

    `contents` holds the integers at inputs that can be replaced by a constant as a whole.
    """

    uses: dict[Slot, Use] = field(default_factory=dict)
    contents: dict[Slot, Content] = field(default_factory=dict)
    contractions: list[Contraction] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    follows: list[Follow] = field(default_factory=list)
    attributes: list[AttributeFollow] = field(default_factory=list)
    inputs: list[InputFollow] = field(default_factory=list)
    pins: list[AttributePin] = field(default_factory=list)
    drops: list[InputDrop] = field(default_factory=list)
    indices: list[Index] = field(default_factory=list)
    means: list[Mean] = field(default_factory=list)
    norms: list[Norm] = field(default_factory=list)
    quantized: list[Quantized] = field(default_factory=list)

    def mark(self) -> dict[str, int]:
        """Return how long every list is by now."""
        return {name: len(entries) for name, entries in vars(self).items() if isinstance(entries, list)}

    def undo(self, mark: dict[str, int]) -> None:
        """Forget what was noted since `mark`: the rule that noted it gave up."""
        for name, length in mark.items():
            del getattr(self, name)[length:]

    def repeat(self, scope: str, times: Expr) -> None:
        """Note that a body runs once for each position of an axis: so often its work counts, with `EMPTY` never."""
        if times == ONE:
            return
        inside = self._work_in(scope)
        self.work = [note for note in self.work if not note.node.scope.startswith(scope)]
        if times != EMPTY:
            self.work += [replace(note, axes=(times, *note.axes)) for note in inside]

    def keep_larger(self, first: str, second: str) -> None:
        """Note that only one of two bodies runs: the work of the one that takes less does not count."""
        smaller = min(second, first, key=lambda scope: sum(note.dense for note in self._work_in(scope)))
        self.repeat(smaller, EMPTY)

    def _work_in(self, scope: str) -> list[Work]:
        """Return the work noted in a body and in those inside it."""
        return [note for note in self.work if note.node.scope.startswith(scope)]

    def resolve(self, axes: Axes) -> None:
        """Put in what became known since the notes were made."""
        put = axes.resolve
        self.uses = {slot: replace(use, axes=tuple(map(put, use.axes))) for slot, use in self.uses.items()}
        self.contractions = [replace(note, expr=put(note.expr)) for note in self.contractions]
        self.work = [replace(note, axes=tuple(map(put, note.axes))) for note in self.work]
        self.indices = [replace(note, into=put(note.into)) for note in self.indices]
        self.means = [replace(note, axes=tuple(map(put, note.axes))) for note in self.means]
        self.norms = [replace(note, axis=put(note.axis)) for note in self.norms]
        self.follows = [
            replace(note, wanted=note.wanted.resolve(axes), given=note.given and note.given.resolve(axes))
            for note in self.follows
        ]
