"""What fine-tuning by reward brings on PushT: a policy of few demonstrations, before and after.

    python benchmarks/pusht_rewards.py --record        # goes on where it stopped
    python benchmarks/pusht_rewards.py --quick         # two demonstrations, a minute

For every seed a policy learns from some demonstrations and is fine-tuned in the environment, on
scenes that no evaluation has. Before and after, the published scenes are played alike.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from pusht import few_demonstrations
from shared.results import command_line
from shared.tuning_tables import finish_seeds

from equigrasp.data.files import read_json, write_json
from equigrasp.optional import require_extra
from equigrasp.policy.chunk_saved import load_chunk_policy
from equigrasp.policy.chunks.fine_tuning import TuningSettings
from sim.pusht.environment import EVALUATION_SEEDS
from sim.pusht.rollouts import play_policy
from sim.pusht_finetune import main as fine_tune

MODEL = ("model.denoiser=mlp", "model.hidden=256", "model.layers=3")
STEPS = TuningSettings.chain_steps
"""Of the denoising, in fine-tuning and when played."""


def main() -> None:
    """Train, play, fine-tune, play; tabulate."""
    arguments = parser().parse_args()
    require_extra("pusht", "PushT")
    torch.set_num_threads(1)
    if not arguments.quick:
        study(arguments)
        return
    if arguments.record:
        raise SystemExit("--quick would replace recorded figures by two episodes'; leave --record")
    with tempfile.TemporaryDirectory() as folder:
        arguments.data, arguments.out = Path(folder) / "pusht.zarr", Path(folder) / "out"
        few_demonstrations(Path(folder), arguments.data)
        arguments.seeds, arguments.steps, arguments.iterations = 1, 20, 1
        arguments.environments, arguments.episodes = 2, 2
        study(arguments)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "pusht_rewards")
    add = found.add_argument
    add("--data", type=Path, default=Path("data/pusht"), help="demonstrations")
    add("--demonstrations", type=int, default=30)
    add("--sees", choices=("state", "image"), default="state")
    add("--seeds", type=int, default=3, help="0 to N - 1")
    add("--steps", type=int, default=20000, help="of the first training, 64 observations each")
    add("--iterations", type=int, default=30, help="of the fine-tuning")
    add("--environments", type=int, default=16, help="episodes of an iteration")
    add("--rate", type=float, default=TuningSettings.learning_rate, help="of the fine-tuning")
    add("--episodes", type=int, default=50, help="played before and after")
    add("--out", type=Path, default=Path("outputs/pusht_rewards"))
    return found


def study(arguments: argparse.Namespace) -> None:
    """All seeds and what came of them."""
    found = [one_seed(seed, arguments) for seed in range(arguments.seeds)]
    caption = (
        f"{arguments.sees}, {arguments.demonstrations} demonstrations, {arguments.steps} "
        f"steps; then {arguments.iterations} iterations of {arguments.environments} episodes at "
        f"{arguments.rate:g}. Percent; {arguments.episodes} scenes, {STEPS} denoising steps."
    )
    counts = {"demonstrations": arguments.demonstrations, "iterations": arguments.iterations}
    finish_seeds(arguments, found, caption, counts)


def one_seed(seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Score and success (percent) of a seed, before and after.

    Raises:
        SystemExit: training or fine-tuning ended with an error, which it told.
    """
    first, tuned = (arguments.out / f"{name}_{seed}" for name in ("first", "tuned"))
    train(seed, first, arguments)
    before = played(first, arguments.episodes)
    options = {
        "--policy": first,
        "--out": tuned,
        "--seed": seed,
        "--iterations": arguments.iterations,
        "--environments": arguments.environments,
        "--learning-rate": arguments.rate,
    }
    if status := fine_tune([str(part) for pair in options.items() for part in pair]):
        raise SystemExit(status)
    after = played(tuned, arguments.episodes)
    return {
        f"{name}_{when}": values[name]
        for name in ("score", "success")
        for when, values in (("before", before), ("after", after))
    }


def train(seed: int, folder: Path, arguments: argparse.Namespace) -> None:
    """The first training of a seed; a finished one is not repeated."""
    command = [
        *(sys.executable, "-m", "equigrasp.train", "model=diffusion_policy", "data=pusht"),
        *(f"data.root={arguments.data}", f"data.episodes={arguments.demonstrations}"),
        *(f"model.sees={arguments.sees}", *MODEL, f"seed={seed}", f"run_dir={folder}"),
        *(f"trainer.max_steps={arguments.steps}", "trainer.epochs=null", "trainer.threads=1"),
        *("trainer.learning_rate=1e-3", "trainer.workers=0", "trainer.progress=false"),
        *(f"trainer.validate_every={arguments.steps}", "trainer.accelerator=cpu"),
    ]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"training of seed {seed} failed, see above")


def played(run: Path, episodes: int) -> dict[str, float]:
    """Score and success (percent) of a policy; kept in its folder for its weights."""
    policy, kept = load_chunk_policy(str(run)), run / "played.json"
    known = read_json(kept) if kept.exists() else {}
    if (known.get("policy"), known.get("episodes")) != (policy.card["digest"], episodes):
        seeds = range(EVALUATION_SEEDS, EVALUATION_SEEDS + episodes)
        rows = play_policy(policy.eval(), seeds, steps=STEPS)
        known = {
            "policy": policy.card["digest"],
            "episodes": episodes,
            "score": 100 * float(np.mean([row.score for row in rows])),
            "success": 100 * float(np.mean([row.success for row in rows])),
        }
        write_json(kept, known)
    return {name: known[name] for name in ("score", "success")}


if __name__ == "__main__":
    main()
