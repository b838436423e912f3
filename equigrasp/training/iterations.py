"""A fine-tuning: its settings as options, its folder that is kept after every iteration."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from equigrasp.data.files import read_json, write_json
from equigrasp.differences import differing_entries
from equigrasp.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)

Settings = TypeVar("Settings")

NOT_KEPT = ("format", "config", "digest", "self_test", "calibration", "summary")
"""Entries of a card that are about the weights alone."""


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

    @property
    def weights(self) -> Path:
        """Where the run leaves its weights, a card beside them that tells its "iterations"."""
        return self.out / "model.safetensors"

    def finished(self, done: int, wanted: int) -> bool:
        """Whether the weights of so many iterations are there; they may have been calibrated since.

        Args:
            done: iterations behind the run.
            wanted: iterations asked for.
        """
        note = self.weights.with_suffix(".json")
        if done < wanted or not self.weights.exists() or not note.exists():
            return False
        return read_json(note).get("iterations") == done

    def history(self) -> list[dict[str, float]]:
        """What the iterations so far told."""
        path = self.out / "iterations.json"
        return json.loads(path.read_text()) if path.exists() else []


def add_settings(parser: argparse.ArgumentParser, kind: type) -> None:
    """An option for every field of a dataclass of plain numbers, with its default.

    Args:
        parser: gets them.
        kind: of settings.
    """
    for field in fields(kind):
        name = field.name.replace("_", "-")
        parser.add_argument(f"--{name}", type=type(field.default), default=field.default)


def settings_of(options: argparse.Namespace, kind: type[Settings]) -> Settings:
    """The settings that were given.

    Args:
        options: of a parser with `add_settings`.
        kind: of settings.

    Raises:
        ValueError: as the settings say.
    """
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind)})


def require_counts(options: argparse.Namespace, *names: str) -> None:
    """Refuse options that count something and are below 1.

    Raises:
        ValueError: naming the option and its value.
    """
    for name in names:
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}; give at least 1")
