"""Fine-tune a policy on PushT by what it earns, with policy gradients through its denoising.

    python sim/pusht_finetune.py --policy runs/diffusion_policy_pusht_seed0 --iterations 50
    python sim/pusht_eval.py --policy runs/pusht_tuned --steps 5

Scenes of an iteration follow from --seed and its number. The folder --out keeps the run after every
iteration: interrupted at any moment, the same command goes on with the same numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import equigrasp
from equigrasp.data.endings import ending
from equigrasp.data.folder_lock import hold_folder
from equigrasp.optional import require_extra
from equigrasp.policy.chunk_saved import load_chunk_policy
from equigrasp.policy.chunks.fine_tuning import Tuner, TuningSettings
from equigrasp.training.checkpoint import CheckpointError
from equigrasp.training.iterations import (
    Iterations,
    add_settings,
    require_counts,
    settings_of,
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
    add_settings(found, TuningSettings)
    return found


def tune(options: argparse.Namespace) -> None:
    """Iterations that are missing, and the policy they lead to.

    Args:
        options: see `parser`.

    Raises:
        ValueError: there is no such policy, or a number makes no sense.
        CheckpointError: the folder holds another run, or a torn one.
    """
    require_counts(options, "iterations", "environments", "threads")
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)  # of the value head
    settings = settings_of(options, TuningSettings)
    policy = load_chunk_policy(options.policy)
    tuner = Tuner(policy, settings)
    identity = {
        "policy": policy.card.get("digest"),
        "seed": options.seed,
        "environments": options.environments,
        **asdict(settings),
    }
    run = Iterations(options.out, identity, tuner, tuner.optimizer)
    done = run.resume()
    if run.finished(done, options.iterations):
        print(f"{run.weights} holds {done} iterations already")
        return
    for iteration in range(done, options.iterations):
        told = iterate(tuner, options.seed, iteration, options.environments)
        done = iteration + 1
        run.keep(done, told)
        print(line(done, told), flush=True)
    card = {key: value for key, value in policy.card.items() if key not in ("format", "digest")}
    card |= {"tuned_from": options.policy, "tuning": identity, "iterations": done}
    equigrasp.save_model(policy, run.weights.with_suffix(""), card)


def line(iteration: int, told: dict[str, float]) -> str:
    """An iteration in a line for a person."""
    return (
        f"iteration {iteration}  score {told['score']:.1f} %  success {told['success']:.0f} %  "
        f"divergence {told['divergence']:.3f}  clipped {told['clipped']:.2f}  "
        f"playing {told['playing']:.1f} s  learning {told['learning']:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
