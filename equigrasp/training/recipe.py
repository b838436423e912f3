"""What the training loop asks of a kind of model: its losses, its metrics, its score."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from equigrasp.training.loader import KeyedDataset


class Recipe(Protocol):
    """How one kind of model is trained and judged.

    Attributes:
        score: name of the metric that decides which checkpoint is the best; larger is better.
    """

    score: str

    def step(self, model: nn.Module, precision: str) -> nn.Module:
        """A module of a batch (name -> (B, ...)) and a generator of the CPU, the only source of the
        step's random numbers, that returns losses; "loss" is minimised.

        Args:
            model: what is trained, a submodule of the result.
            precision: one of `equigrasp.training.settings.PRECISIONS`.
        """

    def validation_metrics(
        self, model: nn.Module, dataset: KeyedDataset, *, workers: int, device: torch.device
    ) -> dict[str, float]:
        """Metrics of a model on held-out data, always with the same draws."""

    def summary(self, metrics: dict[str, float]) -> str:
        """The most telling of these metrics in half a line."""
