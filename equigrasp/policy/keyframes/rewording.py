"""Sentences in which some words are unknown, so that a policy learns what an unknown word tells.

What people say to a robot is not what demonstrations say: they take another verb, and put words in
between. A closed vocabulary has one number for all such words, and it stands for a vector that
nothing is ever learned from, unless training has such sentences too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.policy.nn.text import LONGEST
from equigrasp.policy.nn.vocabulary import UNKNOWN, split_words


def draw_unknown(share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which words of a sentence become unknown, see `reworded`.

    Args:
        share: chance of each.
        random: decides.

    Returns:
        (2, `LONGEST`).
    """
    return random.random((2, LONGEST)) < share


def reworded(sentence: str, unknown: ArrayLike) -> str:
    """A sentence with words that nobody knows.

    Args:
        sentence: whose words are taken.
        unknown: (2, W) whether each of the first W words is unknown, and whether an unknown one
            stands before it.

    Returns:
        the words in lower case, `UNKNOWN` for what is unknown.
    """
    found = []
    lost, more = np.asarray(unknown, dtype=bool)
    for place, word in enumerate(split_words(sentence)):
        if place < len(lost):
            found += [UNKNOWN] * int(more[place])
            word = UNKNOWN if lost[place] else word
        found.append(word)
    return " ".join(found)
