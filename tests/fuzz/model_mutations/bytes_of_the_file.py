"""Files that are no message, or one that was cut, flipped and glued."""

from __future__ import annotations

from random import Random

from drafts import Draft

from model_mutations.registry import mutation


@mutation
def truncated(draft: Draft, rng: Random) -> None:
    content = draft.content()
    draft.data = content[: rng.randrange(len(content) or 1)]


@mutation
def bits_flipped(draft: Draft, rng: Random) -> None:
    content = bytearray(draft.content() or b"\0")
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    draft.data = bytes(content)


@mutation
def bits_flipped_in_the_structure(draft: Draft, rng: Random) -> None:
    """Flip bits in the last bytes, where outputs and opset imports are, or the first."""
    content = bytearray(draft.content() or b"\0")
    for _ in range(rng.choice([1, 2, 4])):
        place = rng.randrange(min(len(content), 300))
        content[rng.choice([place, -1 - place])] ^= 1 << rng.randrange(8)
    draft.data = bytes(content)


@mutation
def bytes_put_in(draft: Draft, rng: Random) -> None:
    content = draft.content()
    place = rng.randrange(len(content) + 1)
    draft.data = content[:place] + rng.randbytes(rng.choice([1, 2, 100])) + content[place:]


@mutation
def bytes_taken_out(draft: Draft, rng: Random) -> None:
    content = draft.content()
    place = rng.randrange(len(content) + 1)
    draft.data = content[:place] + content[place + rng.choice([1, 2, 50]) :]


@mutation
def a_part_repeated(draft: Draft, rng: Random) -> None:
    content = draft.content()
    place, length = rng.randrange(len(content) + 1), rng.randrange(1, 200)
    draft.data = content[: place + length] + content[place : place + length] * rng.choice([1, 3]) + content[place:]


@mutation
def two_files_glued(draft: Draft, rng: Random) -> None:
    """Protobuf reads two messages on end as one: lists are joined."""
    draft.data = draft.content() * 2


@mutation
def no_bytes(draft: Draft, rng: Random) -> None:
    draft.data = b""


@mutation
def another_kind_of_file(draft: Draft, rng: Random) -> None:
    heads = [b"\x80\x04\x95", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"ONNX {\n", b"\x1f\x8b\x08", b"\0" * 64]
    draft.data = rng.choice(heads) + rng.randbytes(200)


@mutation
def lengths_beyond_the_end(draft: Draft, rng: Random) -> None:
    """A field of bytes that says that gigabytes follow."""
    length = rng.choice([b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x08"])
    draft.data = draft.content() + rng.choice([b"\x3a", b"\x12", b"\x42"]) + length


@mutation
def groups_nested_deep(draft: Draft, rng: Random) -> None:
    """The start of an unknown group, many times over."""
    draft.data = draft.content() + b"\xbb\x3e" * rng.choice([50, 90, 200, 100_000])
