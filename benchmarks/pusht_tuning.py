"""What an update of fine-tuning costs as a two-level batch, and with shuffled rows as published.

    python benchmarks/pusht_tuning.py --record
    python benchmarks/pusht_tuning.py --quick

Decisions are played by fresh policies on PushT. The same decisions are learned from twice: B
observations with the T denoising steps of each beside each other, and B T rows drawn from all of
them, each of which encodes its own observation. Told are seconds of processor time and encoded
observations of an update, one row being one denoising step of one observation in both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from shared.arm_curves import markdown_table
from shared.results import command_line, finish
from shared.tuning_tables import both_ways
from torch import Generator, Tensor

from equigrasp.data.files import write_atomically
from equigrasp.diffusion.batch import flatten_samples
from equigrasp.diffusion.policy_gradient import clipped_update
from equigrasp.optional import require_extra
from equigrasp.policy.chunks.chunk_io import Observed
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.chunks.fine_tuning import Decisions, Tuner, TuningSettings, taken
from sim.pusht.fine_tuning import play, scene_seeds

POLICIES = {
    "mlp": {"denoiser": "mlp", "channels": 128, "hidden": 256, "layers": 3},
    "unet": {"denoiser": "unet", "channels": 64, "widths": (32, 64, 128)},
}


def main() -> None:
    """Measure, tabulate."""
    arguments = parser().parse_args()
    require_extra("pusht", "PushT")
    torch.set_num_threads(1)
    if arguments.quick:
        arguments.repeats, arguments.environments, arguments.denoisers = 2, 1, ["mlp"]
    rows = {
        f"{sees}_{denoiser}": measured(sees, denoiser, arguments)
        for sees in arguments.sees
        for denoiser in arguments.denoisers
    }
    text = markdown_table(rows) + (
        f"\n\nB = {arguments.batch} observations, T = {arguments.chain_steps} denoising steps; "
        f"best of {arguments.repeats}, processor time."
    )
    print(text)
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), text + "\n")
    numbers = {f"{arm}_{name}": v for arm, found in rows.items() for name, v in found.items()}
    finish(arguments, numbers, {"batch": arguments.batch, "chain_steps": arguments.chain_steps})


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "pusht_tuning")
    add = found.add_argument
    add("--sees", nargs="+", choices=("image", "state"), default=["image", "state"])
    add("--denoisers", nargs="+", choices=sorted(POLICIES), default=sorted(POLICIES))
    add("--batch", type=int, default=32, help="B, observations of an update")
    add("--chain-steps", type=int, default=10, help="T")
    add("--environments", type=int, default=2, help="episodes that decisions come from")
    add("--repeats", type=int, default=5)
    return found


def measured(sees: str, denoiser: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds and encoded observations of an update, both ways."""
    torch.manual_seed(0)
    policy = DiffusionPolicy(sees=sees, **POLICIES[denoiser])
    tuner = Tuner(policy, TuningSettings(chain_steps=arguments.chain_steps))
    seeds = scene_seeds(0, 0, arguments.environments)
    decisions, _ = play(tuner, seeds, Generator().manual_seed(0))
    gained = tuner.gains(decisions)
    index = torch.randperm(len(gained))[: arguments.batch]
    rows = torch.randperm(gained.numel())[: len(index) * arguments.chain_steps]
    ways: dict[str, Callable[[], Tensor]] = {
        "two_level": lambda: two_level(tuner, taken(decisions, index), gained[index]),
        "rows": lambda: row_wise(tuner, decisions, gained, rows),
    }
    return both_ways(tuner.policy.encoder, ways, arguments.repeats, len, {})


def two_level(tuner: Tuner, batch: Decisions, gained: Tensor) -> Tensor:
    """The loss of an update as `Tuner.learn` makes it."""
    found = tuner.losses(batch, gained)
    return found["policy"] + found["value"]


def row_wise(tuner: Tuner, decisions: Decisions, gained: Tensor, rows: Tensor) -> Tensor:
    """The same loss over rows (R,) of all observations and steps, each with its own observation."""
    steps = gained.shape[-1]
    owner, turn = rows // steps, rows % steps
    seen = Observed(*(None if part is None else part[owner] for part in decisions.seen))
    before, after = (decisions.states[owner, 0, turn + i].unsqueeze(1) for i in (0, 1))
    step = tuner.chain.times[turn].unsqueeze(1)
    tokens = tuner.policy.tokens(seen)
    encoded = tuner.policy.denoiser.remember(tokens)
    mean, std = tuner.chain.decision(tuner.policy.predict(encoded, before, step), before, step)
    log_prob = torch.distributions.Normal(mean, std).log_prob(after).flatten(1).sum(1)
    old, gain = (flatten_samples(part).flatten()[rows] for part in (decisions.log_prob, gained))
    expected = tuner.value(tokens.detach().flatten(1))
    error = 0.5 * (expected - decisions.returned[owner]).square().mean()
    return clipped_update(log_prob, old, gain, tuner.settings.clip).loss + error


if __name__ == "__main__":
    main()
