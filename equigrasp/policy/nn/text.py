"""Sentences as tokens: a closed vocabulary, trained with the policy, or CLIP from local files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from equigrasp.policy.nn.vocabulary import Vocabulary

LAYERS = 2
"""Of the transformer over words."""
LONGEST = 32
"""Sentences are cut after so many words."""


def text_encoder(words: Vocabulary | str | Path, channels: int, heads: int) -> nn.Module:
    """A module of sentences that returns tokens (B, T, C) and their mask (B, T).

    Args:
        words: a vocabulary that is trained with the policy, or a folder with CLIP's text weights.
        channels: C.
        heads: of a trained encoder's attention.
    """
    if isinstance(words, Vocabulary):
        return TextEncoder(words, channels, heads=heads)
    from equigrasp.policy.nn.clip_text import ClipTextEncoder  # an extra

    return ClipTextEncoder(words, channels)


class TextEncoder(nn.Module):
    """A small transformer over the words of a sentence.

    Args:
        vocabulary: the known words.
        channels: width of the tokens.
        heads: of the transformer's attention.
    """

    def __init__(self, vocabulary: Vocabulary, channels: int, *, heads: int = 4) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.words = nn.Embedding(len(vocabulary), channels, padding_idx=0)
        self.places = nn.Parameter(torch.randn(LONGEST, channels) * 0.02)
        layer = nn.TransformerEncoderLayer(
            channels, heads, 4 * channels, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(channels)

    @property
    def description(self) -> dict[str, Any]:
        """What a saved policy needs to make this encoder again."""
        return {"vocabulary": self.vocabulary.words}

    def forward(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens (B, T, C) of sentences, and their mask (B, T), True for words."""
        numbers, mask = self.vocabulary.encode(sentences)
        numbers = numbers[:, :LONGEST].to(self.words.weight.device)
        mask = mask[:, :LONGEST].to(numbers.device)
        tokens = self.words(numbers) + self.places[: numbers.shape[1]]
        return self.norm(self.layers(tokens, src_key_padding_mask=~mask)), mask
