"""Fine-tune a policy on PushT by what it earns, with policy gradients through its denoising.

    python sim/pusht_finetune.py --policy runs/diffusion_policy_pusht_seed0 --iterations 50
    python sim/pusht_eval.py --policy runs/pusht_tuned --steps 5

Scenes of an iteration follow from --seed and its number. The folder --out keeps the run after every
iteration: interrupted at any moment, the same command goes on with the same numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

import equigrasp
from equigrasp.data.endings import ending
from equigrasp.data.files import write_json
from equigrasp.data.folder_lock import hold_folder
from equigrasp.differences import differing_entries
from equigrasp.optional import require_extra
from equigrasp.policy.chunk_saved import load_chunk_policy
from equigrasp.policy.chunks.fine_tuning import Tuner, TuningSettings
from equigrasp.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from sim.pusht.fine_tuning import iterate


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = parser().parse_args(arguments)
    return ending(lambda: _run(options), FloatingPointError, CheckpointError)


def _run(options: argparse.Namespace) -> int:
    require_extra("pusht", "PushT")
    with hold_folder(options.out, "give another --out"):
        tune(options)
    return 0


def parser() -> argparse.ArgumentParser:
    """Command-line options; those of the learning are the fields of `TuningSettings`."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = found.add_argument
    add("--policy", required=True, help="a run's folder, or a .safetensors file")
    add("--iterations", type=int, default=50)
    add("--environments", type=int, default=16, help="episodes of an iteration")
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1, help="of torch; the same for the same numbers")
    add("--out", type=Path, default=Path("runs/pusht_tuned"))
    for field in fields(TuningSettings):
        name = field.name.replace("_", "-")
        add(f"--{name}", type=type(field.default), default=field.default)
    return found


def tune(options: argparse.Namespace) -> None:
    """Iterations that are missing, and the policy they lead to.

    Args:
        options: see `parser`.

    Raises:
        ValueError: there is no such policy, or a number makes no sense.
        CheckpointError: the folder holds another run, or a torn one.
    """
    for name in ("iterations", "environments", "threads"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}; give at least 1")
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)  # of the value head
    settings = TuningSettings(**{f.name: getattr(options, f.name) for f in fields(TuningSettings)})
    policy = load_chunk_policy(options.policy)
    tuner = Tuner(policy, settings)
    identity = {
        "policy": policy.card.get("digest"),
        "seed": options.seed,
        "environments": options.environments,
        **asdict(settings),
    }
    identity = json.loads(json.dumps(identity))
    done = resume(tuner, options.out, identity)
    for iteration in range(done, options.iterations):
        told = iterate(tuner, options.seed, iteration, options.environments)
        done = iteration + 1
        keep(tuner, options.out, identity, done, told)
        print(line(done, told), flush=True)
    card = {key: value for key, value in policy.card.items() if key not in ("format", "digest")}
    card |= {"tuned_from": options.policy, "tuning": identity, "iterations": done}
    equigrasp.save_model(policy, options.out / "model", card)


def keep(
    tuner: Tuner, out: Path, identity: dict[str, Any], iteration: int, told: dict[str, float]
) -> None:
    """Write a checkpoint, and what an iteration told to `iterations.json`.

    Args:
        tuner: after the iteration.
        out: folder of the run.
        identity: what a resumed run must share.
        iteration: how many are done.
        told: see `sim.pusht.fine_tuning.iterate`.
    """
    tensors, groups = flatten_optimizer(tuner.optimizer)
    history = [*read_history(out)[: iteration - 1], told]
    write_json(out / "iterations.json", history)
    state = {"step": iteration, "identity": identity, "groups": groups}
    model = tuner.state_dict()
    checkpoint = Checkpoint(model, {}, tensors, {}, state)
    save_checkpoint(out / "checkpoints", checkpoint, tags=("last",))


def read_history(out: Path) -> list[dict[str, float]]:
    """What the iterations so far told."""
    path = out / "iterations.json"
    return json.loads(path.read_text()) if path.exists() else []


def resume(tuner: Tuner, out: Path, identity: dict[str, Any]) -> int:
    """Take up the run that a folder holds; the number of its iterations.

    Args:
        tuner: gets weights and optimiser.
        out: folder of the run.
        identity: has to be that of the run.

    Raises:
        CheckpointError: it is another run's, or torn.
    """
    last = out / "checkpoints" / "last"
    if not last.is_symlink():
        return 0
    checkpoint = load_checkpoint(last)
    differing = [".".join(p) for p, *_ in differing_entries(checkpoint.state["identity"], identity)]
    if differing:
        raise CheckpointError(
            f"{out} holds a run with other settings ({', '.join(differing)}); give the same, or "
            "another --out"
        )
    tuner.load_state_dict(checkpoint.model)
    restore_optimizer(tuner.optimizer, checkpoint.optimizer, checkpoint.state["groups"])
    return int(checkpoint.state["step"])


def line(iteration: int, told: dict[str, float]) -> str:
    """An iteration in a line for a person."""
    return (
        f"iteration {iteration}  score {told['score']:.1f} %  success {told['success']:.0f} %  "
        f"divergence {told['divergence']:.3f}  clipped {told['clipped']:.2f}  "
        f"playing {told['playing']:.1f} s  learning {told['learning']:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
