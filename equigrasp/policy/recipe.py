"""Training of keyframe policies: B observations, M noised actions each; judged by the next pose."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from equigrasp.geometry.rotations import geodesic_distance
from equigrasp.policy.keyframes.batches import KeyframeBatches, actions, observations
from equigrasp.policy.keyframes.rotation_bins import bins_to_rotation
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.training.loader import load_batches

NEAR, TURNED = 0.01, 5.0
"""A predicted keyframe is right within 1 cm and 5 degrees, and with the right gripper state."""
BATCH = 16
"""Observations encoded at once for validation."""
WEAKEST = "weakest/"
"""What names of a task's share at its weakest keyframe begin with."""
COUNTED = 5
"""Keyframes of one number in their episodes that are needed to say how many of them are right."""


class KeyframeStep(nn.Module):
    """Policy and weights of its losses as one module of a batch.

    Args:
        model: a policy with `losses`.
        sentences: by number, see `KeyframeBatches`.
        samples: M, noised actions per observation.
        weights: of the policy's losses by name.
    """

    def __init__(
        self,
        model: KeyframePolicy,
        sentences: Sequence[str],
        samples: int,
        weights: dict[str, float],
    ) -> None:
        super().__init__()
        self.model = model
        self.sentences, self.samples, self.weights = list(sentences), samples, dict(weights)

    def forward(self, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """Losses of a batch; "loss" is their weighted sum."""
        found = self.model.losses(
            observations(batch, self.sentences), actions(batch), self.samples, generator
        )
        if unweighted := sorted(set(found) ^ set(self.weights)):
            raise ValueError(
                f"loss weights are given for {sorted(self.weights)}, but the policy's losses are "
                f"{sorted(found)}; mend {', '.join(unweighted)} in `weights`"
            )
        total = sum(weight * found[name] for name, weight in self.weights.items())
        return {"loss": total, **found}


class KeyframeRecipe:
    """See `equigrasp.training.recipe.Recipe`.

    Args:
        sentences: by number, see `KeyframeBatches`.
        samples: M, noised actions per observation.
        weights: of the policy's losses by name; None takes the policy's own.
        steps, candidates: of the denoising at validation.
    """

    score = "correct"

    def __init__(
        self,
        sentences: Sequence[str],
        *,
        samples: int,
        weights: dict[str, float] | None = None,
        steps: int = 10,
        candidates: int = 16,
    ) -> None:
        self.sentences, self.samples, self.weights = list(sentences), samples, weights
        self.steps, self.candidates = steps, candidates

    def step(self, model: KeyframePolicy, precision: str) -> KeyframeStep:
        """See `Recipe`.

        Raises:
            ValueError: another precision than "32-true".
        """
        if precision != "32-true":
            raise ValueError(
                f"trainer.precision is {precision}; policies are trained with 32-true alone"
            )
        weights = model.loss_weights if self.weights is None else self.weights
        return KeyframeStep(model, self.sentences, self.samples, weights)

    @torch.no_grad()
    def validation_metrics(
        self,
        model: KeyframePolicy,
        dataset: KeyframeBatches,
        *,
        workers: int,
        device: torch.device | str,
    ) -> dict[str, float]:
        """Errors of the keyframes that a policy chooses on held-out demonstrations.

        Returns:
            position_error_mm and rotation_error_deg (means), position_median_mm; shares `near`
            (1 cm), `turned` (5 degrees), `gripper`, `correct` (all three), `correct` by task, and
            `weakest` by task: the share correct of the keyframe, first, second, ..., at which a
            task fails most. Where a sentence decides one keyframe in three, the mean hides it.
        """
        found = self.errors(model, dataset, workers=workers, device=device)
        return keyframe_metrics(found, dataset.tasks)

    @torch.no_grad()
    def errors(
        self,
        model: KeyframePolicy,
        dataset: KeyframeBatches,
        *,
        workers: int,
        device: torch.device | str,
    ) -> dict[str, Tensor]:
        """What is wrong with the keyframe that a policy chooses, for every item of a data set.

        Returns:
            position (n,) metres, angle (n,) degrees, gripper (n,) bool, True where it is right;
            task and step (n,), numbers of the task and of the keyframe in its episode.
        """
        model.eval()
        generator = torch.Generator().manual_seed(0)
        keys = [(0, index) for index in range(len(dataset))]
        batches = [keys[i : i + BATCH] for i in range(0, len(keys), BATCH)]
        rows: list[dict[str, Tensor]] = []
        for batch in load_batches(dataset, batches, workers=workers):
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            chosen = model.act(
                observations(batch, self.sentences),
                candidates=self.candidates,
                steps=self.steps,
                generator=generator,
            )
            rotation = torch.as_tensor(bins_to_rotation(chosen.bins.cpu())).to(batch["rotation"])
            rows.append(
                {
                    "position": (chosen.position - batch["position"]).norm(dim=-1).cpu(),
                    "angle": geodesic_distance(rotation, batch["rotation"]).rad2deg().cpu(),
                    "gripper": ((chosen.open > 0.5) == (batch["open"] > 0.5)).cpu(),
                    "task": batch["task"].cpu(),
                    "step": batch["step"].cpu(),
                }
            )
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def summary(self, metrics: dict[str, float]) -> str:
        """See `Recipe`."""
        weakest = {k.removeprefix(WEAKEST): v for k, v in metrics.items() if k.startswith(WEAKEST)}
        task = min(weakest, key=weakest.get, default=None)
        last = "" if task is None else f"  weakest {weakest[task]:.3f} ({task})"
        return (
            f"correct {metrics['correct']:.3f}  position {metrics['position_median_mm']:.1f} mm "
            f"({metrics['near']:.3f})  rotation {metrics['rotation_error_deg']:.1f} deg "
            f"({metrics['turned']:.3f})  gripper {metrics['gripper']:.3f}{last}"
        )


def keyframe_metrics(found: dict[str, Tensor], tasks: Sequence[str]) -> dict[str, float]:
    """Means over items, see `KeyframeRecipe.validation_metrics`.

    Args:
        found: position (n,) metres, angle (n,) degrees, gripper (n,) bool, task and step (n,)
            numbers.
        tasks: their names.
    """
    near, turned = found["position"] < NEAR, found["angle"] < TURNED
    correct = (near & turned & found["gripper"]).float()
    metrics = {
        "correct": correct.mean(),
        "near": near.float().mean(),
        "turned": turned.float().mean(),
        "gripper": found["gripper"].float().mean(),
        "position_error_mm": 1000 * found["position"].mean(),
        "position_median_mm": 1000 * found["position"].median(),
        "rotation_error_deg": found["angle"].mean(),
    }
    for number in found["task"].unique().tolist():
        of_task = found["task"] == number
        metrics[f"correct/{tasks[number]}"] = correct[of_task].mean()
        steps, counts = found["step"][of_task].unique(return_counts=True)
        enough = steps[counts >= COUNTED].tolist()
        if shares := [correct[of_task & (found["step"] == step)].mean() for step in enough]:
            metrics[WEAKEST + tasks[number]] = min(shares)
    return {name: float(value) for name, value in metrics.items()}
