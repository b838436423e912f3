"""Sentences as tokens: a closed vocabulary, trained with the policy, or CLIP from local files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

PADDING, UNKNOWN = "<pad>", "<unknown>"
_WORD = re.compile(r"[a-z]+|\d+")


def split_words(sentence: str) -> list[str]:
    """Words and numbers of a sentence, in lower case and without punctuation."""
    return _WORD.findall(sentence.lower())


class Vocabulary:
    """The words that a policy knows.

    Args:
        words: in the order of their numbers, without the two reserved ones.

    Raises:
        ValueError: a word twice, or a reserved one.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        everything = [PADDING, UNKNOWN, *self.words]
        self._numbers = {word: number for number, word in enumerate(everything)}
        if len(self._numbers) != len(everything):
            raise ValueError("a word occurs twice, or is reserved")

    @classmethod
    def of(cls, sentences: Iterable[str]) -> Vocabulary:
        """All words of some sentences, sorted."""
        return cls(sorted({word for sentence in sentences for word in split_words(sentence)}))

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

    def unknown(self, sentence: str) -> list[str]:
        """Words of a sentence that the policy has never seen."""
        return [word for word in split_words(sentence) if word not in self._numbers]


def text_encoder(words: Vocabulary | str | Path, channels: int, heads: int) -> nn.Module:
    """A module of sentences that returns tokens (B, T, C) and their mask (B, T).

    Args:
        words: a vocabulary that is trained with the policy, or a folder with CLIP's text weights.
        channels: C.
        heads: of a trained encoder's attention.
    """
    if isinstance(words, Vocabulary):
        return TextEncoder(words, channels, heads=heads)
    from equigrasp.policy.clip_text import ClipTextEncoder  # an extra

    return ClipTextEncoder(words, channels)


class TextEncoder(nn.Module):
    """A small transformer over the words of a sentence.

    Args:
        vocabulary: the known words.
        channels: width of the tokens.
        layers, heads: of the transformer.
        longest: sentences are cut after so many words.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        channels: int,
        *,
        layers: int = 2,
        heads: int = 4,
        longest: int = 32,
    ) -> None:
        super().__init__()
        self.vocabulary, self.longest = vocabulary, longest
        self.words = nn.Embedding(len(vocabulary), channels, padding_idx=0)
        self.places = nn.Parameter(torch.randn(longest, channels) * 0.02)
        layer = nn.TransformerEncoderLayer(
            channels, heads, 4 * channels, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(channels)

    @property
    def description(self) -> dict[str, Any]:
        """What a saved policy needs to make this encoder again."""
        return {"vocabulary": self.vocabulary.words}

    def forward(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens (B, T, C) of sentences, and their mask (B, T), True for words."""
        numbers, mask = self.vocabulary.encode(sentences)
        numbers = numbers[:, : self.longest].to(self.words.weight.device)
        mask = mask[:, : self.longest].to(numbers.device)
        tokens = self.words(numbers) + self.places[: numbers.shape[1]]
        return self.norm(self.layers(tokens, src_key_padding_mask=~mask)), mask
