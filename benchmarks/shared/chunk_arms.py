"""Training arms of chunk policies, timed by the processor, played on the way, resumable.

Arms may run on a machine that does other work: what counts is the processor time of their training
steps. The learning rate is constant after warm-up and weights are averaged, so that every point of
a curve is what a training of that length would have reached.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from equigrasp.data.files import read_json, write_json
from equigrasp.policy.chunk_training import build_chunks
from equigrasp.policy.chunks.dataset import ChunkDataset, observed_of
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.chunks.recipe import ChunkRecipe
from equigrasp.training.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from equigrasp.training.loader import collate
from equigrasp.training.random_state import step_generator
from equigrasp.training.sampler import SceneSampler
from equigrasp.training.schedule import update_average
from sim.pusht.environment import EVALUATION_SEEDS
from sim.pusht.rollouts import play_policy

WARMUP, RATE, DECAY, DECAY_OF_AVERAGE = 50, 1e-3, 1e-4, 0.995
STEPS = 10
"""Of the denoising when policies are played."""
POINTS = "points.json"
KEPT_EVERY = 0.05
"""Minutes of processor time between checkpoints."""


@dataclass(frozen=True)
class Arm:
    """A training.

    Attributes:
        sees: "state" or "image".
        samples: M.
        seed: of weights, order and draws.
    """

    sees: str
    samples: int
    seed: int

    @property
    def name(self) -> str:
        """As in results."""
        return f"{self.sees}_m{self.samples}_s{self.seed}"


@dataclass(frozen=True)
class Study:
    """What arms have in common.

    Attributes:
        data: of `read_replay`.
        model: options of the policies.
        batch: B.
        minutes: processor time of an arm's training steps.
        points: how often it is judged.
        episodes: played each time.
    """

    data: Path
    model: dict[str, Any]
    batch: int
    minutes: float
    points: int
    episodes: int


def run_arm(arm: Arm, study: Study, folder: Path) -> list[dict[str, float]]:
    """Train an arm to its end, from where it is; its points.

    Args:
        arm, study: what is trained.
        folder: of the arm; checkpoints stay there.

    Returns:
        for each point: `step`, `minutes` of processor time, `score` (percent), `loss` and `near` on
        held-out demonstrations.
    """
    run = _Run(arm, study, folder)
    while len(run.rows) < study.points:
        run.train_until(study.minutes * (len(run.rows) + 1) / study.points)
        run.judge()
    return run.rows


class _Run:
    """An arm at some point of its training."""

    def __init__(self, arm: Arm, study: Study, folder: Path) -> None:
        self.arm, self.study, self.folder = arm, study, folder
        torch.manual_seed(arm.seed)
        build = partial(DiffusionPolicy, sees=arm.sees, **study.model)
        self.policy, self.average = build(), build()
        self.average.load_state_dict(self.policy.state_dict())
        data = {"name": "pusht", "root": str(study.data), "episodes": None, "val_fraction": 0.05}
        self.data, self.held = build_chunks(data, self.policy, arm.seed)
        self.sampler = SceneSampler(len(self.data), study.batch, arm.seed)
        self.optimizer = torch.optim.AdamW(
            self.policy.parameters(), lr=RATE, weight_decay=DECAY, fused=True
        )
        self.step, self.minutes, self.rows = 0, 0.0, []
        self._resume()

    def train_until(self, minutes: float) -> None:
        """Training steps until so much processor time is spent."""
        while self.minutes < minutes:
            batch = batch_of(self.data, self.sampler.keys(self.step))
            start = time.process_time()
            generator = step_generator(self.arm.seed, self.step, 0)
            for group in self.optimizer.param_groups:
                group["lr"] = RATE * min(1.0, (self.step + 1) / WARMUP)
            seen = observed_of(batch)
            loss = self.policy.loss(seen, batch["action"], self.arm.samples, generator)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
            self.optimizer.step()
            self.step += 1
            update_average(self.average, self.policy, DECAY_OF_AVERAGE, self.step)
            before, self.minutes = self.minutes, self.minutes + (time.process_time() - start) / 60
            if int(before / KEPT_EVERY) != int(self.minutes / KEPT_EVERY):
                self.keep()

    def judge(self) -> None:
        """Play and measure the averaged weights."""
        recipe = ChunkRecipe(samples=1, steps=STEPS)
        found = recipe.validation_metrics(self.average, self.held, workers=0, device="cpu")
        seeds = range(EVALUATION_SEEDS, EVALUATION_SEEDS + self.study.episodes)
        played = play_policy(self.average, seeds, steps=STEPS)
        score = 100 * float(np.mean([episode.score for episode in played]))
        row = {"step": self.step, "minutes": self.minutes, "score": score}
        self.keep()
        self.rows.append({**row, "loss": found["loss"], "near": found["near"]})
        write_json(self.folder / POINTS, self.rows)

    def keep(self) -> None:
        """Write a checkpoint, in the place of the one before."""
        tensors, groups = flatten_optimizer(self.optimizer)
        state = {"step": self.step, "minutes": self.minutes, "groups": groups}
        models = (self.policy.state_dict(), self.average.state_dict())
        save_checkpoint(self.folder, Checkpoint(*models, tensors, {}, state), tags=("last",))

    def _resume(self) -> None:
        last = self.folder / "last"
        if not last.is_symlink():
            return
        found = load_checkpoint(last)
        self.policy.load_state_dict(found.model)
        self.average.load_state_dict(found.average)
        restore_optimizer(self.optimizer, found.optimizer, found.state["groups"])
        self.step, self.minutes = found.state["step"], found.state["minutes"]
        self.rows = known_points(self.folder)


def known_points(folder: Path) -> list[dict[str, float]]:
    """Points of an arm that are there already, see `run_arm`."""
    path = folder / POINTS
    return read_json(path) if path.exists() else []


def batch_of(data: ChunkDataset, keys: list[tuple[int, int]]) -> dict[str, Tensor]:
    """Items of a data set as a batch."""
    return collate([data[key] for key in keys])


def kept_megabytes(policy: DiffusionPolicy, batch: dict[str, Tensor], samples: int) -> float:
    """Memory that a training step keeps for its way back, by the tensors that it saves.

    Args:
        policy: its parameters do not count.
        batch: of items.
        samples: M.
    """
    own = {p.untyped_storage().data_ptr() for p in policy.parameters()}
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = policy.loss(observed_of(batch), batch["action"], samples, Generator())
    del loss
    return sum(sizes.values()) / 1e6


def step_seconds(
    policy: DiffusionPolicy, batch: dict[str, Tensor], samples: int, repeats: int = 2
) -> float:
    """Least processor time of the forward and backward pass of a training step.

    Args:
        policy: gradients are left on it.
        batch: of items.
        samples: M.
        repeats: how often it is measured, after once to warm up.
    """
    found = []
    for _ in range(repeats + 1):
        start = time.process_time()
        seen = observed_of(batch)
        policy.loss(seen, batch["action"], samples, Generator().manual_seed(0)).backward()
        found.append(time.process_time() - start)
    return min(found[1:])
