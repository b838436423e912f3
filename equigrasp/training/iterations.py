"""The folder of a fine-tuning: kept after every iteration, taken up where it stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from equigrasp.data.files import write_json
from equigrasp.differences import differing_entries
from equigrasp.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)


@dataclass(frozen=True)
class Iterations:
    """Iterations of a run that learns from what it tries.

    Attributes:
        out: folder of the run.
        identity: what a resumed run must share, JSON-able.
        module: what learns.
        optimizer: of its parameters.
    """

    out: Path
    identity: dict[str, Any]
    module: nn.Module
    optimizer: torch.optim.Optimizer

    def resume(self) -> int:
        """Take up the run that the folder holds; the number of its iterations.

        Raises:
            CheckpointError: it is another run's, or torn.
        """
        last = self.out / "checkpoints" / "last"
        if not last.is_symlink():
            return 0
        checkpoint = load_checkpoint(last)
        known, mine = checkpoint.state["identity"], json.loads(json.dumps(self.identity))
        differing = [".".join(path) for path, *_ in differing_entries(known, mine)]
        if differing:
            raise CheckpointError(
                f"{self.out} holds a run with other settings ({', '.join(differing)}); give the "
                "same, or another --out"
            )
        self.module.load_state_dict(checkpoint.model)
        restore_optimizer(self.optimizer, checkpoint.optimizer, checkpoint.state["groups"])
        return int(checkpoint.state["step"])

    def keep(self, iteration: int, told: dict[str, float]) -> None:
        """Write a checkpoint, and what an iteration told to `iterations.json`.

        Args:
            iteration: how many are done.
            told: of the last one.
        """
        tensors, groups = flatten_optimizer(self.optimizer)
        write_json(self.out / "iterations.json", [*self.history()[: iteration - 1], told])
        state = {"step": iteration, "identity": self.identity, "groups": groups}
        checkpoint = Checkpoint(self.module.state_dict(), {}, tensors, {}, state)
        save_checkpoint(self.out / "checkpoints", checkpoint, tags=("last",))

    def history(self) -> list[dict[str, float]]:
        """What the iterations so far told."""
        path = self.out / "iterations.json"
        return json.loads(path.read_text()) if path.exists() else []
