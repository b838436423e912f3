"""Training of chunk policies: B observations, M noised chunks each."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from equigrasp.policy.chunks.chunk_io import pixels
from equigrasp.policy.chunks.dataset import ChunkDataset, observed_of
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.training.loader import load_batches

BATCH = 64
"""Observations encoded at once for validation."""
NEAR = 12.0
"""Pixels within which an action counts as the demonstrated one."""


class ChunkStep(nn.Module):
    """Policy and loss as one module of a batch.

    Args:
        model: the policy.
        samples: M, noised chunks per observation.
    """

    def __init__(self, model: DiffusionPolicy, samples: int) -> None:
        super().__init__()
        self.model, self.samples = model, samples

    def forward(self, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """The loss of a batch of items of `ChunkDataset`."""
        seen = observed_of(batch)
        return {"loss": self.model.loss(seen, batch["action"], self.samples, generator)}


class ChunkRecipe:
    """See `equigrasp.training.recipe.Recipe`.

    The latest weights count as the best: how near held-out actions are does not tell which weights
    act best in closed loop (arXiv 2108.03298, section 5), and playing needs a simulator.

    Args:
        samples: M, noised chunks per observation.
        steps: of the denoising at validation (DDIM).
    """

    score = "latest"

    def __init__(self, *, samples: int, steps: int = 10) -> None:
        if samples < 1:
            raise ValueError(f"policy.samples is {samples}; give at least one")
        self.samples, self.steps = samples, steps

    def step(self, model: DiffusionPolicy, precision: str) -> ChunkStep:
        """See `Recipe`.

        Raises:
            ValueError: a precision other than "32-true".
        """
        if precision != "32-true":
            raise ValueError(
                f"trainer.precision is {precision}; policies are trained with 32-true alone"
            )
        return ChunkStep(model, self.samples)

    @torch.no_grad()
    def validation_metrics(
        self,
        model: DiffusionPolicy,
        dataset: ChunkDataset,
        *,
        workers: int,
        device: torch.device | str,
    ) -> dict[str, float]:
        """How near the chosen actions are to demonstrated ones of held-out episodes.

        Returns:
            action_error_px (mean), share `near`, loss, and 1 as `latest`.
        """
        model.eval()
        generator = Generator().manual_seed(0)
        keys = [(0, index) for index in range(len(dataset))]
        batches = [keys[i : i + BATCH] for i in range(0, len(keys), BATCH)]
        error, loss = [], []
        for batch in load_batches(dataset, batches, workers=workers):
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            seen, wanted = observed_of(batch), batch["action"]
            chosen = model.act(seen, [generator] * len(wanted), steps=self.steps)
            away = pixels(chosen) - pixels(model.played(wanted))
            error.append(away.norm(dim=-1).cpu())
            loss.append(model.loss(seen, wanted, 1, generator).cpu())
        away = torch.cat(error)
        return {
            "latest": 1.0,
            "action_error_px": float(away.mean()),
            "near": float((away < NEAR).float().mean()),
            "loss": float(torch.stack(loss).mean()),
        }

    def summary(self, metrics: dict[str, float]) -> str:
        """See `Recipe`."""
        return (
            f"actions {metrics['action_error_px']:.1f} px ({metrics['near']:.3f} near)  "
            f"loss {metrics['loss']:.4f}"
        )
