"""The state of a training run: made fresh, restored from a checkpoint, or saved to one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from equigrasp.differences import differing_entries
from equigrasp.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from equigrasp.training.random_state import capture_random_state, restore_random_state
from equigrasp.training.sampler import SceneSampler
from equigrasp.training.settings import TrainSettings

if TYPE_CHECKING:
    from lightning.fabric import Fabric


KERNELS = "signed"
"""How the kernels of steerable models came to their signs, by `equigrasp.nn.kernel_basis.signed`:
coefficients of a run from before may mean another network."""


@dataclass
class RunState:
    """What changes while a run goes.

    Attributes:
        model, average: weights being trained and their moving average.
        optimizer: over the model.
        score: name of the metric that decides which weights are best; larger is better.
        identity: JSON-able facts that a resumed run must share.
        step: optimiser steps done.
        total: steps planned; None until a schedule fitted to a time limit is laid out.
        best_step, best_metrics: best validation so far.
    """

    model: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    score: str
    identity: dict[str, Any]
    total: int | None
    step: int = 0
    best_step: int = 0
    best_metrics: dict[str, float] | None = None

    def keep_if_best(self, metrics: dict[str, float]) -> bool:
        """Take metrics as the best so far if no earlier score is larger (NaN never beats)."""
        score = metrics[self.score]
        if self.best_metrics is not None:
            best = self.best_metrics[self.score]
            if not (score >= best or (math.isnan(best) and not math.isnan(score))):
                return False
        self.best_step, self.best_metrics = self.step, metrics
        return True


def start_run(
    build_model: Callable[[], nn.Module],
    score: str,
    settings: TrainSettings,
    sampler: SceneSampler,
    identity: dict[str, Any],
    run_dir: Path,
    fabric: Fabric,
) -> RunState:
    """A fresh run, or the one that `run_dir/checkpoints/last` describes.

    Args:
        build_model: makes a freshly initialised model; called for the weights and their average.
        score: name of the metric that decides which weights are best.
        settings, sampler: define the run together with `identity`.
        identity: further JSON-able facts that a resumed run must share.
        run_dir: folder of the run.
        fabric: gives the device and the processes.

    Raises:
        CheckpointError: if that checkpoint is torn or belongs to a run of another identity.
    """
    fabric.seed_everything(settings.seed, verbose=False)
    model, average = build_model().to(fabric.device), build_model().to(fabric.device)
    average.load_state_dict(model.state_dict())
    average.requires_grad_(False)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[settings.optimizer]
    optimizer = kind(
        model.parameters(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    identity = {
        **identity,
        "training": settings.identity(),
        "scenes": sampler.num_scenes,
        "processes": sampler.world_size,
    }
    if getattr(model, "bank", None) is not None:
        identity["kernels"] = KERNELS
    # Through JSON, so that a fresh identity compares equal to a stored one.
    identity = json.loads(json.dumps(identity))
    total = settings.planned_steps(sampler.steps_per_epoch)
    run = RunState(model, average, optimizer, score, identity, total)
    last = run_dir / "checkpoints" / "last"
    if last.is_symlink():
        _restore(run, last, fabric)
    return run


def save_run(run: RunState, run_dir: Path, tags: tuple[str, ...], fabric: Fabric) -> None:
    """Write a checkpoint from the first process, with the generator states of all.

    Args:
        run: what to save.
        run_dir: its `checkpoints` folder is written.
        tags: links to move to it ("last", "best").
        fabric: gathers the states; every process has to call this function.
    """
    random = fabric.all_gather(capture_random_state())
    if fabric.world_size == 1:
        random = {name: value[None] for name, value in random.items()}
    if fabric.global_rank == 0:
        tensors, groups = flatten_optimizer(run.optimizer)
        state = {
            "step": run.step,
            "total": run.total,
            "best_step": run.best_step,
            "best_metrics": run.best_metrics,
            "optimizer_groups": groups,
            "identity": run.identity,
        }
        checkpoint = Checkpoint(
            run.model.state_dict(), run.average.state_dict(), tensors, random, state
        )
        save_checkpoint(run_dir / "checkpoints", checkpoint, tags=tags)
    fabric.barrier()


def _restore(run: RunState, path: Path, fabric: Fabric) -> None:
    checkpoint = load_checkpoint(path)
    state = checkpoint.state
    differing = [
        f"{'.'.join(path)}: {old!r} in the checkpoint, {new!r} now"
        for path, old, new in differing_entries(state["identity"], run.identity)
    ]
    if differing:
        raise CheckpointError(
            f"{path} belongs to a run with other settings:\n  " + "\n  ".join(differing) + "\n"
            "give this run another `name`, repeat the old settings, or remove the old run's folder"
        )
    try:
        run.model.load_state_dict(checkpoint.model)
        run.average.load_state_dict(checkpoint.average)
    except RuntimeError as error:
        raise CheckpointError(f"the weights in {path} do not fit the model: {error}") from error
    restore_optimizer(run.optimizer, checkpoint.optimizer, state["optimizer_groups"])
    restore_random_state({k: v[fabric.global_rank] for k, v in checkpoint.random.items()})
    run.step, run.total = state["step"], state["total"]
    run.best_step, run.best_metrics = state["best_step"], state["best_metrics"]
