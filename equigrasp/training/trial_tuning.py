"""Fine-tuning a model that samples rotations by what becomes of its grasps in simulation.

At points of B scenes the model draws rotations with chains of noisy steps; each grasp is tried, and
what is lifted earns 1. A policy gradient through the chains (DDPO, arXiv 2305.13301; for flows
ReinFlow, arXiv 2505.22094) makes what was lifted likelier than the other rotations of its point. An
update encodes a scene and reads a point once; the S rotations of a point, with the T steps of their
chains, are S T samples of a two-level batch. Quality and judge learn from the same trials what the
model's own grasps are worth, and the scenes' labels go on being learned: nothing is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from equigrasp.data import batch_keys as keys
from equigrasp.diffusion.batch import flatten_samples, pick_samples, unflatten_samples
from equigrasp.diffusion.flow_policy import Policy, policy_of
from equigrasp.diffusion.policy_gradient import advantages, clipped_update
from equigrasp.models.equiigd import EquiIGD
from equigrasp.models.losses import GraspLoss, masked_mean, width_error
from equigrasp.models.sampling import SamplingModel
from equigrasp.nn.point_attention import Reader
from equigrasp.options import check_fields
from equigrasp.training.updates import improve, mean_update


@dataclass(frozen=True)
class TrialSettings:
    """How a model learns from trials of its grasps.

    Attributes:
        points: Q, grasp points of a scene that are tried, see `choose_points`.
        samples: S, rotations tried at each.
        chain_steps: T, steps of a chain.
        std: of the noise on a step, see `equigrasp.diffusion.flow_policy.policy_of`.
        clip: see `clipped_update`.
        epochs: passes over the trials of an iteration.
        batch_size: B, scenes of an update.
        learning_rate: of Adam.
        step_discount: of advantages, per step before the last.
        divergence: nats per decision after which an iteration's updates end.
        grad_clip: largest gradient norm.
        policy_weight: of the policy gradient.
        trial_weight: of quality, confidence and width at what was tried.
        label_weight: of the loss that the model was trained with, on the scenes' labels.

    Raises:
        ValueError: a value beyond its limits.
    """

    points: int = 8
    samples: int = 16
    chain_steps: int = 4
    std: float = 0.1
    clip: float = 0.1
    epochs: int = 3
    batch_size: int = 4
    learning_rate: float = 1e-4
    step_discount: float = 1.0
    divergence: float = 0.1
    grad_clip: float = 1.0
    policy_weight: float = 1.0
    trial_weight: float = 0.1
    label_weight: float = 0.1

    def __post_init__(self) -> None:
        counts = {"points": (1, 4096), "samples": (2, 1024), "chain_steps": (1, 1000)}
        weights = dict.fromkeys(("policy_weight", "trial_weight", "label_weight"), (0.0, 1e6))
        rates = {"learning_rate": (0.0, 1.0), "step_discount": (0.0, 1.0), "std": (1e-6, 10.0)}
        passes = {"epochs": (1, 1000), "batch_size": (1, 1_000_000)}
        check_fields(self, {**counts, **weights, **rates, **passes})


class Drawn(NamedTuple):
    """Grasps that a model drew in N scenes.

    Attributes:
        points: (N, Q, 3) query points, normalised.
        states: (N, Q, S, T + 1, i, j) chains from noise to rotations.
        log_prob: (N, Q, S, T) of their decisions when they were drawn.
        rotations: (N, Q, S, 3, 3).
    """

    points: Tensor
    states: Tensor
    log_prob: Tensor
    rotations: Tensor


class Tried(NamedTuple):
    """Grasps, and what became of them.

    Attributes:
        drawn: in N scenes.
        success: (N, Q, S) bool, lifted.
        width: (N, Q, S) m, opening after the trial.
    """

    drawn: Drawn
    success: Tensor
    width: Tensor

    def some(self, index: Tensor) -> Tried:
        """Those of some scenes (n,)."""
        drawn = Drawn(*(part[index] for part in self.drawn))
        return Tried(drawn, self.success[index], self.width[index])


class TrialTuner:
    """A model, and how it learns from trials.

    Args:
        model: is changed.
        settings: of the learning.
        loss: of labels and trials; by default that of the training configurations.

    Attributes:
        model, settings, loss, policy, optimizer: of the learning.

    Raises:
        ValueError: the model samples no rotations with a flow.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: TrialSettings | None = None,
        loss: GraspLoss | None = None,
    ) -> None:
        if not isinstance(model, EquiIGD):
            raise ValueError(
                f"{type(model).__name__} draws no rotations with a flow; name weights of EquiIGD"
            )
        self.model, self.loss = model, loss or GraspLoss()
        self.settings = s = settings or TrialSettings()
        self.policy: Policy = policy_of(model.flow, s.chain_steps, s.std)
        self.optimizer = torch.optim.Adam(model.parameters(), s.learning_rate)

    @torch.no_grad()
    def draw(self, batch: dict[str, Tensor], generator: Generator) -> Drawn:
        """Grasps in scenes, drawn as the policy draws.

        Args:
            batch: of N scenes, by `equigrasp.data.batch_keys`.
            generator: of points and rotations, on the CPU.
        """
        model, s = self.model, self.settings
        _, points, seen = choose_points(model, batch, s.points, generator)
        context = model.context(flatten_samples(seen))
        start = model.flow.prior((points.shape[0] * points.shape[1], s.samples), generator)
        network = partial(model.predict, context)
        chain = self.policy.run(network, start.to(points), generator)
        parts = chain.states, chain.log_prob, model.flow.to_rotation(chain.samples)
        return Drawn(points, *(unflatten_samples(part, len(points)) for part in parts))

    def gains(self, success: Tensor) -> Tensor:
        """Advantages (N, Q, S, T): what was lifted, compared with the other rotations of a point.

        Args:
            success: (N, Q, S) bool.
        """
        s = self.settings
        earned = flatten_samples(success).float()
        gained = advantages(earned, s.chain_steps, discount=s.step_discount)
        return unflatten_samples(gained, len(success))

    def losses(
        self, batch: dict[str, Tensor], tried: Tried, gained: Tensor, generator: Generator
    ) -> dict[str, Tensor]:
        """What an update minimises, "loss", and its parts.

        Args:
            batch: of B scenes.
            tried: grasps in them.
            gained: (B, Q, S, T), see `gains`.
            generator: of what the labels' loss draws.

        Returns:
            "policy", "trials" and "labels" with their weights make "loss"; "clipped" and
            "divergence", see `Update`.
        """
        model, s = self.model, self.settings
        features = model.encode(batch[keys.TSDF])
        points = tried.drawn.points
        read = model.reader(features)
        seen = model.attend(read, points)
        update = clipped_update(
            self.log_prob(seen, tried.drawn.states), tried.drawn.log_prob, gained, s.clip
        )
        trials = self.trials(read, seen, tried)
        field = model.training_field(
            features, batch, self.loss.num_samples, self.loss.points_per_scene, generator
        )
        labels = self.loss(field, batch)["loss"]
        return {
            "loss": s.policy_weight * update.loss
            + s.trial_weight * trials
            + s.label_weight * labels,
            "policy": update.loss,
            "trials": trials,
            "labels": labels,
            "clipped": update.clipped,
            "divergence": update.divergence,
        }

    def log_prob(self, seen: Tensor, states: Tensor) -> Tensor:
        """Likelihoods (B, Q, S, T) of chains (B, Q, S, T + 1, i, j) at points with features
        (B, Q, C)."""
        network = partial(self.model.predict, self.model.context(flatten_samples(seen)))
        found = self.policy.log_prob(network, flatten_samples(states))
        return unflatten_samples(found, len(seen))

    def trials(self, read: Reader, seen: Tensor, tried: Tried) -> Tensor:
        """Loss of quality, confidence and width at what was tried.

        Args:
            read, seen: of the scenes and points.
            tried: grasps there.
        """
        model, loss, drawn = self.model, self.loss, tried.drawn
        confidence, width = model.judgement(read, seen, drawn.points, drawn.rotations)
        won = tried.success.to(confidence.dtype)
        quality = model.quality_at(drawn.points, seen)
        wide = width_error(width, tried.width.to(width.dtype))
        return (
            loss.classification(quality, won.amax(-1)).mean()
            + loss.confidence_weight * loss.focal(confidence, won).mean()
            + loss.width_weight * masked_mean(wide, won)
        )

    def learn(
        self, batch: dict[str, Tensor], tried: Tried, generator: Generator
    ) -> dict[str, float]:
        """The updates of an iteration; means of what `losses` tells, and their number `updates`.

        Args:
            batch: of N scenes.
            tried: grasps in them.
            generator: of order and draws.

        Raises:
            FloatingPointError: a gradient is not finite.
        """
        s, rows = self.settings, []
        gained = self.gains(tried.success)
        for _ in range(s.epochs):
            order = torch.randperm(len(gained), generator=generator)
            for part in order.split(s.batch_size):
                scenes = {name: tensor[part] for name, tensor in batch.items()}
                found = self.losses(scenes, tried.some(part), gained[part], generator)
                rows.append({name: float(value.detach()) for name, value in found.items()})
                if rows[-1]["divergence"] > s.divergence:
                    return mean_update(rows)  # of a policy too far from the one that drew
                improve(found["loss"], self.optimizer, s.grad_clip)
        return mean_update(rows)


def choose_points(
    model: SamplingModel, batch: dict[str, Tensor], count: int, generator: Generator
) -> tuple[Reader, Tensor, Tensor]:
    """Some of the labelled points of scenes, by the odds that the model gives to a grasp there.

    Args:
        model: is asked.
        batch: of N scenes, by `equigrasp.data.batch_keys`.
        count: points of a scene.
        generator: of the choice, on the CPU.

    Returns:
        features of the scenes; points (N, count, 3), normalised; features (N, count, C) there.

    Raises:
        ValueError: a scene has fewer points.
    """
    points, mask = batch[keys.POINTS], batch[keys.MASK]
    least = int(mask.sum(1).min())
    if least < count:
        raise ValueError(f"a scene has {least} labelled points, and {count} are to be tried")
    read = model.reader(model.encode(batch[keys.TSDF]))
    seen = model.attend(read, points)
    weight = model.quality_at(points, seen).clamp(-20, 20).exp() * mask
    index = torch.multinomial(weight.float().cpu(), count, generator=generator).to(points.device)
    return read, pick_samples(points, index), pick_samples(seen, index)


def grasp_tips(model: SamplingModel, points: Tensor, rotations: Tensor) -> Tensor:
    """Where the tips (N, Q, S, 3) of grasps at query points (N, Q, 3) are, metres.

    Args:
        model: gives setback and workspace.
        points: normalised.
        rotations: (N, Q, S, 3, 3).
    """
    metres = (points + 0.5) * model.workspace.side
    return metres.unsqueeze(2) + model.query_setback * rotations[..., 2]
