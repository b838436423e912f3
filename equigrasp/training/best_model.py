"""What a finished run leaves behind: its best weights with a card."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

import equigrasp
from equigrasp.training.checkpoint import load_checkpoint
from equigrasp.training.loop import TrainResult
from equigrasp.training.run_log import training_minutes
from equigrasp.training.settings import TrainSettings

log = logging.getLogger(__name__)


def save_best_model(
    model: nn.Module, result: TrainResult, settings: TrainSettings, card: Mapping[str, Any]
) -> Path | None:
    """Write the averaged weights of a run's best validation to `model.safetensors` and `.json`.

    Args:
        model: of the run's build; gets these weights.
        result, settings: of the run.
        card: JSON-able facts about data and draws; version, seed, steps, minutes, validation and
            training settings are added.

    Returns:
        path of the weights, None in all processes but the first.

    Raises:
        CheckpointError: the best checkpoint is torn.
    """
    if not result.first_process:
        return None
    model.load_state_dict(load_checkpoint(result.run_dir / "checkpoints" / "best").average)
    run = {
        "equigrasp_version": equigrasp.__version__,
        "seed": settings.seed,
        "step": result.best_step,
        "steps_planned": result.total,
        "steps_done": result.step,
        "training_minutes": training_minutes(result.run_dir / "metrics.jsonl"),
        "validation": result.best_metrics,
    }
    everything = {**run, **card, "training": settings.identity()}
    target = equigrasp.save_model(model, result.run_dir / "model", everything)
    log.info("exported step %d to %s", result.best_step, target)
    return target
