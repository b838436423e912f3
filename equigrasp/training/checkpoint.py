"""Checkpoints as directories of safetensors and JSON, complete or absent, never half-written.

    checkpoints/
        last -> step_00001200           where a resumed run goes on
        best -> step_00000800           best validation score so far
        step_00001200/
            model.safetensors           weights being trained
            average.safetensors         their moving average (what is validated and exported)
            optimizer.safetensors       moments, named "<parameter index>.<moment>"
            random.safetensors          generator states, one row per process
            state.json                  step, sampler position, scores, batch and world size, config

A directory is written under a temporary name, synced and renamed; then the links are replaced
atomically, and directories that no link names are removed. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from equigrasp.data.files import atomic_folder, link_atomically, read_json, write_tensors

FORMAT_VERSION = 1
_PARTS = ("model", "average", "optimizer", "random")


class CheckpointError(RuntimeError):
    """A checkpoint is missing, torn, or belongs to another run; the message says what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on: four groups of named tensors and JSON-able facts."""

    model: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    random: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(root: Path, checkpoint: Checkpoint, *, tags: tuple[str, ...]) -> Path:
    """Write a checkpoint below `root` and point the given links at it.

    Args:
        root: the run's `checkpoints` folder; made if missing.
        checkpoint: what to write; `state["step"]` names its directory.
        tags: links to move, for example ("last", "best").

    Returns:
        The checkpoint's directory.

    Raises:
        OSError: it cannot be written, for instance because the disk is full; the checkpoints that
            were there stay.
    """
    root.mkdir(parents=True, exist_ok=True)
    target = root / f"step_{checkpoint.state['step']:08d}"
    if target.name not in _linked(root):
        # An unlinked directory of that name is what a kill between rename and link leaves behind.
        shutil.rmtree(target, ignore_errors=True)
        with atomic_folder(target) as unfinished:
            for part in _PARTS:
                write_tensors(_apart(getattr(checkpoint, part)), unfinished / f"{part}.safetensors")
            state = {"format_version": FORMAT_VERSION, **checkpoint.state}
            text = json.dumps(state, indent=1) + "\n"
            (unfinished / "state.json").write_text(text, encoding="utf-8")
    for tag in tags:
        link_atomically(root / tag, target.name)
    _remove_unlinked(root)
    return target


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint directory (or a link to one).

    Raises:
        CheckpointError: if a part is missing, torn or of another format version.
    """
    try:
        state = read_json(path / "state.json")
        parts = {part: load_file(path / f"{part}.safetensors") for part in _PARTS}
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({error}); remove the directory to start the run "
            "again, or point `last` in the folder above at another step_* directory"
        ) from error
    if state.pop("format_version", None) != FORMAT_VERSION:
        raise CheckpointError(
            f"checkpoint {path} is not of format {FORMAT_VERSION}; it was written by another "
            "version of equigrasp, start a new run with another `name`"
        )
    return Checkpoint(state=state, **parts)


def flatten_optimizer(
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Split an optimiser's state into named tensors and JSON-able parameter groups."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": value
        for index, moments in state["state"].items()
        for name, value in moments.items()
    }
    return tensors, state["param_groups"]


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """Undo `flatten_optimizer` on an optimiser over the same parameters in the same order."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in groups]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _linked(root: Path) -> set[str]:
    links = (path for path in root.glob("[!.]*") if path.is_symlink())
    return {os.readlink(path) for path in links}


def _remove_unlinked(root: Path) -> None:
    """Remove directories that no link names, and what earlier kills left half-written."""
    keep = _linked(root)
    for path in (*root.glob("step_*"), *root.glob(".*.tmp")):
        if path.is_symlink():
            path.unlink()
        elif path.name not in keep:
            shutil.rmtree(path)


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, because safetensors refuses tensors that share memory."""
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
