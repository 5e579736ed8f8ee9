"""Operators that move elements without changing them: reshapes, transposes, and what is built from them."""

from __future__ import annotations

from collections.abc import Sequence

from onnxprune.axes import ONE, Expr, Fixed, product, size
from onnxprune.rules.registry import rule
from onnxprune.rules.regroup import regroup
from onnxprune.rules.site import Site, UnknownError, known_size, position
from onnxprune.sizes import Content, Size


@rule("Transpose")
def transpose(site: Site) -> None:
    """Axes in the order of `perm`, reversed by default."""
    x, content = site.axes(0), site.content(0)
    order = site.attribute("perm", list(range(len(x) - 1, -1, -1)))
    site.out([x[axis] for axis in order], content=None if content is None else content.transpose(order))


@rule("Reshape")
def reshape(site: Site) -> None:
    """The same elements in row-major order over other axes; the target holds sizes."""
    x, target = site.axes(0), _reshape_target(site)
    copied = [x[place] if _copies(site, entry) else None for place, entry in enumerate(target)]
    axes = regroup(site, x, [None if entry.dense == -1 else entry.unpruned for entry in target], copied)
    site.out(axes, content=_reshaped(site, axes))
    # -1 and 0 go on meaning the right thing by themselves; every written number has to follow its axis.
    follow = [
        None if entry.dense == -1 or _copies(site, entry) else Size.along(site.resolve(axis))
        for entry, axis in zip(target, axes, strict=True)
    ]
    if site.opset < 5:
        for place, wanted in enumerate(follow):
            if wanted is not None:
                site.follow_attribute("shape", wanted, place)
    else:
        site.follow_input(1, follow)


def _reshape_target(site: Site) -> list[Size]:
    if site.opset < 5:
        return [Size.of(length) for length in site.attribute("shape")]
    content, shape = site.content(1), site.shape()
    if content is not None:
        return list(content.ravel())
    if shape is None:
        raise UnknownError("its target shape is known only at run time")
    return [
        Size.of(length) if isinstance(length, int) else Size.symbol(length or f"{site.node.output[0]}[{place}]")
        for place, length in enumerate(shape)
    ]


def _copies(site: Site, entry: Size) -> bool:
    return entry.dense == 0 and not site.attribute("allowzero", 0)


def _reshaped(site: Site, axes: Sequence[Expr]) -> Content | None:
    content, lengths = site.content(0), [size(axis) for axis in axes]
    if content is None or any(length is None for length in lengths):
        site.freeze_content(content, "its size is used as a value")
        return None
    return content.reshape([length for length in lengths if length is not None])


@rule("Flatten")
def flatten(site: Site) -> None:
    """Everything before `axis` becomes the first axis, the rest the second."""
    x = site.axes(0)
    axis = site.attribute("axis", 1)
    axis = axis + len(x) if axis < 0 else axis
    site.out([product(*x[:axis]), product(*x[axis:])])


@rule("Squeeze")
def squeeze(site: Site) -> None:
    """Axes of size 1 vanish; where they are not named, no other axis may become one of them."""
    x = site.axes(0)
    axes = _named_axes(site)
    if axes is None:
        if any(size(axis) is None for axis in x):
            raise UnknownError("which axes vanish is known only at run time")
        for axis in x:
            site.keep_plural(axis)
        gone = {place for place, axis in enumerate(x) if axis == ONE}
    else:
        gone = {position(axis, len(x)) for axis in axes}
    content = site.content(0)
    site.out(
        [axis for place, axis in enumerate(x) if place not in gone],
        content=None if content is None else content.reshape([n for p, n in enumerate(content.shape) if p not in gone]),
    )


@rule("Unsqueeze")
def unsqueeze(site: Site) -> None:
    """New axes of size 1."""
    x = site.axes(0)
    axes = _named_axes(site) or []
    rank = len(x) + len(axes)
    new = {position(axis, rank) for axis in axes}
    rest, content = iter(x), site.content(0)
    out = [ONE if place in new else next(rest) for place in range(rank)]
    lengths = iter(content.shape if content is not None else ())
    shaped = None if content is None else content.reshape([1 if p in new else next(lengths) for p in range(rank)])
    site.out(out, content=shaped)


def _named_axes(site: Site) -> Sequence[int] | None:
    if site.has(1):
        return [int(axis) for axis in site.values(1).ravel()]
    axes: Sequence[int] | None = site.attribute("axes")
    return axes


@rule("DepthToSpace")
def depth_to_space(site: Site) -> None:
    """Channels are block*block*C (DCR) or C*block*block (CRD); the blocks go to the positions."""
    x = site.axes(0)
    block = site.attribute("blocksize")
    channels = site.dim(known_size(x[1]) // block**2)
    blocks = Fixed(block**2, f"{site.label}: the blocks become positions")
    crd = site.attribute("mode", b"DCR") == b"CRD"
    site.unify(x[1], product(channels, blocks) if crd else product(blocks, channels))
    site.out([x[0], site.resolve(channels), *site.fixed("spatial positions")[2:]])


@rule("SpaceToDepth")
def space_to_depth(site: Site) -> None:
    """Blocks of positions become block*block*C channels."""
    x = site.axes(0)
    blocks = Fixed(site.attribute("blocksize") ** 2, f"{site.label}: the blocks come from positions")
    site.freeze(x[2:], "spatial positions cannot be pruned")
    site.out([x[0], product(blocks, x[1]), *site.fixed("spatial positions")[2:]])


@rule("Expand")
def expand(site: Site) -> None:
    """Broadcasts to a target shape: an axis that is repeated is as wide as the target says."""
    x, target = site.axes(0), site.content(1)
    if target is None:
        for slot in (0, 1):
            site.freeze_input(slot, "its target shape is known only at run time")
        site.out(site.fixed("its target shape is known only at run time"))
        return
    entries = list(target.ravel())
    rank = max(len(entries), len(x))
    entries = [Size.of(1)] * (rank - len(entries)) + entries
    padded = [ONE] * (rank - len(x)) + list(x)
    out = [_expanded(site, axis, entry, place) for place, (axis, entry) in enumerate(zip(padded, entries, strict=True))]
    site.out(out)
    offset = rank - target.size
    site.follow_input(
        1, [None if entries[p].dense == 1 else Size.along(site.resolve(out[p])) for p in range(offset, rank)]
    )


def _expanded(site: Site, axis: Expr, entry: Size, place: int) -> Expr:
    if axis != ONE or entry.dense == 1:
        return axis
    if entry.dense is None:
        shape = site.shape()
        return site.fixed_axis(shape[place] if shape else None, 0, place, "its size is known only at run time")
    if entry.dims and entry == Size.along(entry.dims[0]):
        return entry.dims[0]
    site.freeze(entry.dims, "it is repeated as often as this size says")
    return site.dim(entry.dense)


@rule("Tile")
def tile(site: Site) -> None:
    """Repeats an axis as a whole: position = (repetition, position)."""
    x, repeats = site.axes(0), site.values(1).ravel()
    out = [
        product(site.fixed_axis(int(n), 0, p, "it is repeated"), axis)
        for p, (n, axis) in enumerate(zip(repeats, x, strict=True))
    ]
    site.out(out)
