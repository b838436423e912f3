"""The training loop: explicit, resumable, on one device or many (Lightning Fabric).

What a step and a validation are is told by a recipe (`equigrasp.training.recipe`). Everything
random is a function of the seed and the step, so a run that is killed and started again continues
from its last checkpoint with the very numbers it would have had.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from equigrasp.devices import known_devices
from equigrasp.training.bfloat16 import bfloat16_warning
from equigrasp.training.loader import KeyedDataset, load_batches
from equigrasp.training.memory import keep_freed_memory
from equigrasp.training.random_state import step_generator
from equigrasp.training.recipe import Recipe
from equigrasp.training.run_log import RunLog
from equigrasp.training.run_state import RunState, save_run, start_run
from equigrasp.training.sampler import SceneSampler
from equigrasp.training.schedule import learning_rate, update_average
from equigrasp.training.settings import TrainSettings

if TYPE_CHECKING:
    from lightning.fabric import Fabric

ExtraMetrics = Callable[[nn.Module], dict[str, float]]

_MEASURED_STEPS = 20  # latest steps of this process, to which `max_minutes` fits a schedule
_TIME_FOR_STEPS = 0.85  # share of the time left that is planned for steps; the rest validates


@dataclass(frozen=True)
class TrainResult:
    """Outcome of a run: steps done of those planned, and the best validation.
    `first_process` is True in the one process that should write what follows from it.
    """

    run_dir: Path
    step: int
    total: int
    best_step: int
    best_metrics: dict[str, float]
    first_process: bool = True


def train(
    build_model: Callable[[], nn.Module],
    recipe: Recipe,
    train_data: KeyedDataset,
    val_data: KeyedDataset,
    settings: TrainSettings,
    run_dir: Path,
    *,
    identity: dict[str, Any] | None = None,
    extra_metrics: ExtraMetrics | None = None,
) -> TrainResult:
    """Train a model, from its last checkpoint in `run_dir` if there is one.

    Args:
        build_model: makes a freshly initialised model; called twice (weights, moving average).
        recipe: losses of a batch, metrics of a validation, and which of them is the score.
        train_data, val_data: items as the recipe expects them.
        settings: optimisation, cadence, hardware.
        run_dir: gets `checkpoints/`, `metrics.jsonl`, `tensorboard/`.
        identity: JSON-able facts that must be equal on resumption (model, data, draws).
        extra_metrics: further validation numbers of a model in evaluation mode.

    Returns:
        What was reached; `checkpoints/best` and `checkpoints/last` hold the weights.

    Raises:
        CheckpointError: if `run_dir` holds a torn checkpoint or one of a different run.
        FloatingPointError: if a gradient stops being finite.
        ValueError: if a step needs more scenes than there are.
    """
    fabric = _launched(settings)
    sampler = SceneSampler(
        len(train_data), settings.batch_size, settings.seed, fabric.global_rank, fabric.world_size
    )
    run = start_run(build_model, recipe.score, settings, sampler, identity or {}, run_dir, fabric)
    module, optimizer = fabric.setup(recipe.step(run.model, settings.precision), run.optimizer)
    validate_every = settings.validate_every or sampler.steps_per_epoch
    clock = _Clock(settings.max_minutes, fabric)
    batches = load_batches(
        train_data,
        sampler.from_step(run.step),
        workers=settings.workers,
        processes=settings.processes,
    )

    with RunLog(run_dir, run.step, progress=settings.progress, on=fabric.is_global_zero) as log:
        if settings.precision == "bf16-mixed" and (warning := bfloat16_warning(fabric.device)):
            log.say(warning)
        while run.step != run.total:
            if run.total is None and clock.knows_rate() and run.step >= settings.warmup_steps:
                run.total = clock.fitted_length(run.step, settings.warmup_steps)
                log.say(f"schedule fitted to {settings.max_minutes:g} min: {run.total} steps")

            batch = {name: tensor.to(fabric.device) for name, tensor in next(batches).items()}
            rate = _set_learning_rate(optimizer, run, settings)
            generator = step_generator(settings.seed, run.step, fabric.global_rank)
            losses = module(batch, generator)
            fabric.backward(losses["loss"])
            norm = _clipped(fabric, module, optimizer, settings.grad_clip, run.step)
            optimizer.step()
            optimizer.zero_grad()
            run.step += 1
            clock.tick()
            update_average(run.average, run.model, settings.average_decay, run.step)

            late = clock.is_up()
            done = late or run.step == run.total
            log.advance(run.step, run.total, losses["loss"])
            if done or run.step % settings.log_every == 0:
                values = {name: float(value.detach()) for name, value in losses.items()}
                values |= {"learning_rate": rate, "grad_norm": norm, "minutes": clock.minutes()}
                log.write(run.step, "train", values)
            best = False
            if done or run.step % validate_every == 0:
                metrics = _validated(run, recipe, val_data, settings, extra_metrics, fabric)
                best = run.keep_if_best(metrics)
                log.write(run.step, "validation", metrics)
                reached = f"step {run.step}/{run.total} {clock.minutes():.1f} min"
                log.say(f"{reached}  {recipe.summary(metrics)}")
            if done or best or run.step % settings.checkpoint_every == 0:
                save_run(run, run_dir, ("last", "best") if best else ("last",), fabric)
            if late:
                log.say(f"time is up after {run.step} of {run.total or 'unplanned'} steps")
                break
    batches.close()
    best = run.best_metrics or {}
    total = run.total or run.step
    return TrainResult(run_dir, run.step, total, run.best_step, best, fabric.is_global_zero)


class _Clock:
    """Wall time of this process's part of a run, agreed upon between processes."""

    def __init__(self, max_minutes: float | None, fabric: Fabric) -> None:
        self._max_minutes = max_minutes
        self._fabric = fabric
        self._started = time.perf_counter()
        self._ticks = deque([self._started], maxlen=_MEASURED_STEPS + 1)

    def tick(self) -> None:
        """A step is done."""
        self._ticks.append(time.perf_counter())

    def knows_rate(self) -> bool:
        """Whether this process has made enough steps to tell how long one takes."""
        return len(self._ticks) > _MEASURED_STEPS

    def minutes(self) -> float:
        return (time.perf_counter() - self._started) / 60

    def is_up(self) -> bool:
        if self._max_minutes is None:
            return False
        return self._fabric.broadcast(self.minutes() > self._max_minutes)

    def fitted_length(self, step: int, warmup: int) -> int:
        """Steps of a run that is to end in time at the rate of the latest steps.

        The first ones, which fill caches, and single slow ones would make the run end too early.
        """
        per_step = statistics.median(b - a for a, b in itertools.pairwise(self._ticks)) / 60
        left = int(_TIME_FOR_STEPS * ((self._max_minutes or 0) - self.minutes()) / per_step)
        return self._fabric.broadcast(max(step + left, warmup + 1))


def _launched(settings: TrainSettings) -> Fabric:
    from lightning.fabric import Fabric  # takes seconds: faulty settings and data speak up first

    try:
        fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
        )
    except Exception as error:  # of another kind for every accelerator
        raise ValueError(
            f"trainer.accelerator={settings.accelerator} with trainer.devices={settings.devices}: "
            f"{error}; this machine has {', '.join(known_devices())}"
        ) from error
    fabric.launch()
    if settings.threads is not None:  # launching several processes shares out the cores
        torch.set_num_threads(settings.threads)
    if fabric.device.type == "cpu":
        keep_freed_memory()
    return fabric


def _validated(
    run: RunState,
    recipe: Recipe,
    val_data: KeyedDataset,
    settings: TrainSettings,
    extra_metrics: ExtraMetrics | None,
    fabric: Fabric,
) -> dict[str, float]:
    """Metrics of the averaged weights, computed by the first process, known to all."""
    metrics: dict[str, float] = {}
    if fabric.is_global_zero:
        metrics = recipe.validation_metrics(
            run.average, val_data, workers=settings.workers, device=fabric.device
        )
        metrics |= extra_metrics(run.average) if extra_metrics else {}
        # Back to training mode, whose parameters and buffers are those of a checkpoint.
        run.average.train()
    return fabric.broadcast(metrics)


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, run: RunState, settings: TrainSettings
) -> float:
    rate = learning_rate(
        run.step,
        peak=settings.learning_rate,
        warmup=settings.warmup_steps,
        total=run.total or sys.maxsize,  # the peak, until the length is known
        floor=settings.final_rate,
        schedule=settings.schedule,
        decay_at=settings.decay_at,
        decay_factor=settings.decay_factor,
    )
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def _clipped(
    fabric: Fabric, module: nn.Module, optimizer: torch.optim.Optimizer, limit: float, step: int
) -> float:
    try:
        return float(fabric.clip_gradients(module, optimizer, max_norm=limit))
    except RuntimeError as error:
        raise FloatingPointError(
            f"the gradient of step {step} is not finite ({error}); lower trainer.learning_rate, "
            "or check the data set with `python -m equigrasp.data.verify`"
        ) from error
