"""Attention as one operator, in the standard and as onnxruntime fuses it, and rotary position embeddings.

Heads, query-key width and value width are three dims. With grouped queries a query head is
`Product(kv heads, repetition)`. The scale that an operator takes by default, 1/sqrt(head size), is written down
as it was before a head size shrinks. The products inside the node sum over the query-key width, so that masking
the query alone makes every consumer ignore a unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from onnxprune.axes import Expr, Fixed, concat, product
from onnxprune.rules.elementwise import broadcast
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, known_size
from onnxprune.sizes import Size
from onnxprune.standins import MICROSOFT

POSITIONS = "positions of a sequence are not pruned"


@dataclass(frozen=True)
class Heads:
    """The dims of one attention: every key-value head serves `repeats` query heads."""

    kv: Expr
    repeats: Expr
    width: Expr
    value: Expr

    @property
    def query(self) -> Expr:
        """The query heads."""
        return product(self.kv, self.repeats)

    @property
    def queries(self) -> Expr:
        """A packed axis of all queries."""
        return product(self.kv, self.repeats, self.width)

    @property
    def keys(self) -> Expr:
        """A packed axis of all keys."""
        return product(self.kv, self.width)

    @property
    def values(self) -> Expr:
        """A packed axis of all values."""
        return product(self.kv, self.value)

    @property
    def results(self) -> Expr:
        """A packed axis of the results of all query heads."""
        return product(self.kv, self.repeats, self.value)


def _heads(site: Site, query: int, kv: int, width: int, value: int) -> Heads:
    if query % kv:
        raise UnknownError(f"{query} query heads do not share {kv} key-value heads evenly")
    return Heads(site.dim(kv), site.dim(query // kv), site.dim(width), site.dim(value))


@rule("Attention")
def attention(site: Site) -> None:
    """Q, K, V are [batch, heads, positions, width] or [batch, positions, heads*width]; with a mask and past ones."""
    q, k, v = site.axes(0), site.axes(1), site.axes(2)
    if len(q) == 4:
        sizes = [known_size(axis) for axis in (q[1], k[1], q[3], v[3])]
    else:
        query, kv = site.attribute("q_num_heads"), site.attribute("kv_num_heads")
        sizes = [query, kv, known_size(q[2]) // query, known_size(v[2]) // kv]
    heads = _heads(site, *sizes)
    for slot, (count, width) in enumerate(
        ((heads.query, heads.width), (heads.kv, heads.width), (heads.kv, heads.value))
    ):
        _tie_heads(site, slot, count, width)
    _tie_bias(site, 3, heads)
    _tie_past(site, 4, heads)
    site.contracts(0, len(q) - 1)
    for name, count in (("q_num_heads", heads.query), ("kv_num_heads", heads.kv)):
        if site.attribute(name) is not None:
            site.follow_attribute(name, Size.along(site.resolve(count)))
    _keep_scale(site, heads)
    _note_work(site, heads, keys=1, past=4)
    batch, positions = site.axes(0)[0], site.axes(0)[-2]
    if len(q) == 4:
        site.out([batch, heads.query, positions, heads.value])
    else:
        site.out([batch, positions, heads.results])
    _present(site, 1, heads)
    site.out([batch, heads.query, positions, _length(site, 3, 3)], 3)


def _tie_heads(site: Site, slot: int, count: Expr, width: Expr) -> None:
    """Say that an input has `count` heads of `width`, on two axes or on one; its positions freeze."""
    axes = site.axes(slot)
    if len(axes) == 4:
        site.unify(axes[1], count)
        site.unify(axes[3], width)
        site.freeze(axes[2], POSITIONS)
    elif len(axes) == 3:
        site.unify(axes[2], product(count, width))
        site.freeze(axes[1], POSITIONS)
    else:
        raise UnknownError(f"input {slot} packs queries, keys or values in {len(axes)} axes, which is not followed")
    site.unify(axes[0], site.axes(0)[0])


def _tie_bias(site: Site, slot: int, heads: Heads) -> None:
    """Say that an input is added to scores of [batch, query heads, positions, positions]."""
    if site.has(slot):
        axes = site.axes(slot)
        site.freeze((*axes[:-3], *axes[-2:]), POSITIONS)
        broadcast(site, [axes[-3:-2], [heads.query]])


def _tie_past(site: Site, slot: int, heads: Heads) -> None:
    """Say that two inputs hold past keys and values, [batch, kv heads, positions, width]."""
    if site.has(slot) and site.has(slot + 1):
        _tie_heads(site, slot, heads.kv, heads.width)
        _tie_heads(site, slot + 1, heads.kv, heads.value)


def _present(site: Site, index: int, heads: Heads) -> None:
    batch = site.axes(0)[0]
    site.out([batch, heads.kv, _length(site, index, 2), heads.width], index)
    site.out([batch, heads.kv, _length(site, index + 1, 2), heads.value], index + 1)


def _length(site: Site, index: int, place: int) -> Expr:
    """Return an axis of positions of an output, past ones included."""
    if index >= len(site.node.output) or not site.node.output[index]:
        return Fixed(None, POSITIONS, "positions")
    shape = site.shape(index)
    return site.fixed_axis(shape[place] if shape is not None else None, index, place, POSITIONS)


def _keep_scale(site: Site, heads: Heads) -> None:
    if not site.attribute("scale"):
        width = site.resolve(heads.width)
        site.pin_attribute("scale", known_size(width) ** -0.5, Size.along(width))


def _note_work(site: Site, heads: Heads, keys: int, past: int) -> None:
    """Note the two products of every query with all keys and values, past ones included; masks spare nothing."""
    batch, rows, columns = site.axes(0)[0], site.axes(0)[-2], site.axes(keys)[-2]
    if site.has(past):
        columns = concat(site.axes(past)[-2], columns)
    for width in (heads.width, heads.value):
        site.work(batch, heads.query, rows, columns, width)


@rule("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(site: Site) -> None:
    """Query [batch, positions, heads*width], key and value alike or with an axis of heads; one bias for all three."""
    if not site.has(1) or not site.has(2) or len(site.axes(0)) != 3:
        raise UnknownError("queries, keys and values packed in one input are not followed")
    count = site.attribute("num_heads")
    width = known_size(site.axes(0)[2]) // count
    v = site.axes(2)
    heads = _heads(site, count, count, width, known_size(v[3]) if len(v) == 4 else known_size(v[2]) // count)
    for slot, of_head in enumerate((heads.width, heads.width, heads.value)):
        _tie_heads(site, slot, heads.query, of_head)
    if len(v) == 4 or site.has(7):
        # onnxruntime refuses keys and values of different widths where each has an axis of heads.
        site.unify(heads.width, heads.value)
    site.contracts(0, 2)
    if site.has(3):
        site.unify(site.axes(3)[0], concat(heads.queries, heads.keys, heads.values))
        site.contracts(3, 0)
    _tie_bias(site, 5, heads)
    _tie_past(site, 6, heads)
    _finish(site, heads)
    _note_work(site, heads, keys=1, past=6)


def _finish(site: Site, heads: Heads) -> None:
    """What onnxruntime's operators have in common."""
    site.follow_attribute("num_heads", Size.along(site.resolve(heads.query)))
    _keep_scale(site, heads)
    batch, positions = site.axes(0)[0], site.axes(0)[1]
    site.freeze(positions, POSITIONS)
    site.out([batch, positions, heads.results])
    _present(site, 1, heads)
    site.out([batch, heads.query, positions, _length(site, 3, 3)], 3)


@rule("Attention", domain=MICROSOFT)
def packed_attention(site: Site) -> None:
    """X [batch, positions, I] times W [I, queries + keys + values], plus one bias for all; then attention."""
    count, weight = site.attribute("num_heads"), site.axes(1)
    lengths = site.attribute("qkv_hidden_sizes") or [known_size(weight[1]) // 3] * 3
    heads = _heads(site, count, count, lengths[0] // count, lengths[2] // count)
    packed = concat(heads.queries, heads.keys, heads.values)
    site.unify(site.axes(0)[2], weight[0])
    site.unify(weight[1], packed)
    site.contracts(0, 2)
    site.contracts(1, 1)
    if site.has(2):
        site.unify(site.axes(2)[0], packed)
        site.contracts(2, 0)
    if site.attribute("do_rotary", 0):
        site.freeze(heads.width, "it rotates pairs of positions in every head")
    _tie_bias(site, 5, heads)
    parts = [Size.along(site.resolve(part)) for part in (heads.queries, heads.keys, heads.values)]
    for place, length in enumerate(parts):
        site.follow_attribute("qkv_hidden_sizes", length, place)
    _finish(site, heads)
    _cache_in_one(site, heads)
    batch, positions = site.axes(0)[:2]
    site.work(batch, positions, site.axes(0)[2], packed)
    _note_work(site, heads, keys=0, past=4)


def _cache_in_one(site: Site, heads: Heads) -> None:
    """Past and present are [2, batch, heads, positions, width]: keys and values must be equally wide."""
    has_present = len(site.node.output) > 1 and bool(site.node.output[1])
    if not has_present and not site.has(4):
        return
    site.unify(heads.width, heads.value)
    if site.has(4):
        past = site.axes(4)
        site.freeze((past[0], past[3]), POSITIONS)
        for axis, meaning in ((1, site.axes(0)[0]), (2, heads.kv), (4, heads.width)):
            site.unify(past[axis], meaning)
    two = Fixed(2, f"{site.label}: keys and values")
    site.out([two, site.axes(0)[0], heads.kv, _length(site, 1, 3), heads.width], 1)


@rule("GroupQueryAttention", domain=MICROSOFT)
def group_query_attention(site: Site) -> None:
    """Query [batch, positions, heads*width] with key and value, or all three packed in the first input."""
    if site.has(12) or site.has(13):
        raise UnknownError("a quantized cache is not followed")
    query, kv, total = site.attribute("num_heads"), site.attribute("kv_num_heads"), known_size(site.axes(0)[2])
    width = total // query if site.has(1) else total // (query + 2 * kv)
    heads = _heads(site, query, kv, width, width)
    site.freeze((heads.width, heads.value), "the operator takes head sizes in multiples of 8 only")
    if site.has(1):
        for slot, packed in enumerate((heads.queries, heads.keys, heads.values)):
            site.unify(site.axes(slot)[2], packed)
            site.freeze(site.axes(slot)[1], POSITIONS)
            site.unify(site.axes(slot)[0], site.axes(0)[0])
    else:
        site.unify(site.axes(0)[2], concat(heads.queries, heads.keys, heads.values))
    _tie_past(site, 3, heads)
    _tie_bias(site, 10, heads)
    if site.has(11):
        site.unify(site.axes(11)[0], heads.query)
    site.follow_attribute("kv_num_heads", Size.along(site.resolve(heads.kv)))
    _finish(site, heads)
    _note_work(site, heads, keys=1 if site.has(1) else 0, past=3)


@rule("RotaryEmbedding")
def rotary_embedding(site: Site) -> None:
    """X [batch, heads, positions, width] or [batch, positions, heads*width]; caches [.., rotated / 2]."""
    _rotate(site, cosine=1, sine=2)


@rule("RotaryEmbedding", domain=MICROSOFT)
def fused_rotary_embedding(site: Site) -> None:
    """As the standard's, with the positions as second input."""
    _rotate(site, cosine=2, sine=3)


def _rotate(site: Site, cosine: int, sine: int) -> None:
    """Pairs of positions in each head turn together; what is beyond `rotary_embedding_dim` passes."""
    x, half = site.axes(0), site.dim(known_size(site.axes(cosine)[-1]))
    for slot in (cosine, sine):
        cache = site.axes(slot)
        site.unify(cache[-1], half)
        site.freeze(cache[:-1], POSITIONS)
    pair = Fixed(2, f"{site.label}: positions turn in pairs")
    rotated = product(half, pair) if site.attribute("interleaved", 0) else concat(half, half)
    count = site.attribute("num_heads", 0)
    if len(x) == 4:
        site.unify(x[3], _head(site, rotated, known_size(x[3])))
    else:
        width = known_size(x[2]) // count if count else 2 * known_size(half)
        heads = site.dim(known_size(x[2]) // width)
        site.unify(x[2], product(heads, _head(site, rotated, width)))
        if count:
            site.follow_attribute("num_heads", Size.along(site.resolve(heads)))
    if site.attribute("rotary_embedding_dim", 0):
        site.follow_attribute("rotary_embedding_dim", Size.along(site.resolve(rotated)))
    site.freeze(x[2] if len(x) == 4 else x[1], POSITIONS)
    site.out(site.axes(0))


def _head(site: Site, rotated: Expr, width: int) -> Expr:
    return concat(rotated, site.dim(width - known_size(rotated)))
