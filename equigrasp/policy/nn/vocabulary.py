"""A closed vocabulary: the words that a policy knows, and sentences as their numbers."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

PADDING, UNKNOWN = "<pad>", "<unknown>"
"""Reserved words, numbers 0 and 1."""

_WORD = re.compile(rf"{UNKNOWN}|[a-z]+|\d+")


def split_words(sentence: str) -> list[str]:
    """Words and numbers of a sentence, in lower case and without punctuation; `UNKNOWN` is a
    word."""
    return _WORD.findall(sentence.lower())


class Vocabulary:
    """The words that a policy knows.

    Args:
        words: in the order of their numbers, without the two reserved ones.

    Raises:
        ValueError: a word twice, or a reserved one.
    """

    def __init__(self, words: Sequence[str]) -> None:
        if isinstance(words, str) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"a vocabulary is a list of words, not {reprlib.repr(words)}")
        self.words = list(words)
        everything = [PADDING, UNKNOWN, *self.words]
        self._numbers = {word: number for number, word in enumerate(everything)}
        if len(self._numbers) != len(everything):
            raise ValueError("a word occurs twice, or is reserved")

    @classmethod
    def of(cls, sentences: Iterable[str]) -> Vocabulary:
        """All words of some sentences, sorted; `UNKNOWN` is none of them."""
        words = {word for sentence in sentences for word in split_words(sentence)}
        return cls(sorted(words - {UNKNOWN}))

    def with_words_of(self, sentences: Iterable[str]) -> Vocabulary:
        """These words, which keep their numbers, and behind them those of sentences."""
        return Vocabulary(list(dict.fromkeys([*self.words, *Vocabulary.of(sentences).words])))

    def __len__(self) -> int:
        return len(self._numbers)

    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Numbers (B, T) of the words of sentences, and a mask (B, T), True for words.

        Raises:
            ValueError: no sentence, or one without a word.
        """
        split = [split_words(sentence) for sentence in sentences]
        if not split or not all(split):
            empty = next((s for s, words in zip(sentences, split, strict=True) if not words), None)
            raise ValueError(f"no words to understand in {empty!r}; say what shall be done")
        numbers = torch.zeros(len(split), max(map(len, split)), dtype=torch.long)
        for row, words in enumerate(split):
            known = [self._numbers.get(word, self._numbers[UNKNOWN]) for word in words]
            numbers[row, : len(words)] = torch.tensor(known)
        return numbers, numbers != 0
