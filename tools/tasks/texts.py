"""English sentences, in two splits that share none: out of Python's documentation, and templates filled in."""

from __future__ import annotations

import functools
import re
from pydoc_data.topics import topics
from typing import Literal, TypeAlias

import numpy as np

Split: TypeAlias = Literal["test", "calibration"]

SENTENCE = re.compile(r"(?<=[.:] )[A-Z][A-Za-z ,'-]{25,160}\.(?= )")

PARAPHRASES = (
    ("The {person} missed the {vehicle} this morning.", "This morning the {vehicle} left without the {person}."),
    ("A small {animal} is sleeping on the {furniture}.", "There is a little {animal} asleep on the {furniture}."),
    ("We will eat {food} for dinner in {city}.", "In {city}, {food} is what we are going to have for dinner."),
    ("The price of {food} rose again in {month}.", "In {month}, {food} became even more expensive."),
    ("Nobody told the {person} that the {building} was closed.", "The {person} did not know the {building} was shut."),
    ("It rained so hard in {month} that the {building} was flooded.", "Heavy rain flooded the {building} in {month}."),
    ("My {relative} repaired the old {furniture}.", "The old {furniture} was fixed by my {relative}."),
    ("The {relative} of the {person} moved to {city}.", "The {person}'s {relative} now lives in {city}."),
    ("How long does the {vehicle} take to {city}?", "What is the travel time to {city} by {vehicle}?"),
    ("The {animal} ran into the {building} and hid.", "The {animal} fled and hid inside the {building}."),
    ("The {person} bought a {furniture} for her {relative}.", "Her {relative} got a {furniture} from the {person}."),
    ("Is there {food} left for the {animal}?", "Do we still have some {food} to give to the {animal}?"),
    ("No {vehicle} goes to the {building} on Sundays.", "On Sundays you cannot reach the {building} by {vehicle}."),
    (
        "Last {month} my {relative} opened a shop in {city}.",
        "In {month} a shop was started in {city} by my {relative}.",
    ),
)
SLOTS = {
    "person": "teacher doctor farmer singer lawyer sailor baker student painter judge nurse engineer".split(),
    "vehicle": "train bus ferry plane taxi tram bicycle truck".split(),
    "animal": "dog cat rabbit fox goat horse mouse owl duck hedgehog".split(),
    "furniture": "sofa table bed chair carpet bench shelf cupboard".split(),
    "food": "rice fish bread soup cheese fruit pasta mushrooms potatoes chocolate".split(),
    "city": "Paris Lagos Tokyo Madrid Cairo Boston Vienna Lima Oslo Delhi".split(),
    "month": "January March April June August October November December".split(),
    "building": "library museum station hospital school church factory market hotel theatre".split(),
    "relative": "brother sister uncle aunt grandfather cousin daughter neighbour".split(),
}


@functools.cache
def prose(split: Split) -> tuple[str, ...]:
    """Return plain sentences of Python's documentation, from every other topic; some 200.

    Which these are depends a little on the version of Python.
    """
    titles = sorted(topics)
    test = _sentences(titles[::2])
    return tuple(sorted(test if split == "test" else _sentences(titles[1::2]) - test))


def paraphrases(split: Split, count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return pairs of sentences, no two alike, that say the same in different words.

    The two splits fill in different templates.
    """
    templates = PARAPHRASES[::2] if split == "test" else PARAPHRASES[1::2]
    pairs: dict[tuple[str, str], None] = {}
    while len(pairs) < count:
        words = {slot: str(rng.choice(choices)) for slot, choices in SLOTS.items()}
        first, second = templates[rng.integers(len(templates))]
        pairs[first.format(**words), second.format(**words)] = None
    return list(pairs)


def _sentences(titles: list[str]) -> set[str]:
    texts = (re.sub(r"\s+", " ", topics[title]) for title in titles)
    return {sentence for text in texts for sentence in SENTENCE.findall(text)}
