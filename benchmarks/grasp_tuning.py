"""What an update of EquiIGD's fine-tuning costs as a two-level batch, and row by row as published.

    python benchmarks/grasp_tuning.py --record
    python benchmarks/grasp_tuning.py --quick

The same decisions are learned from twice: B scenes, encoded once each, with Q points of S
rotations in T steps; and the B Q S T rows in random order, each of which encodes its scene and
reads its point by itself. Told are processor seconds of the policy's loss and its gradient, and
encoded scenes. Rows are alike, so that of many, some are timed and the rest counted at the same
price. What was drawn does not change what an update costs: scenes are made up, weights are fresh.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from shared.arm_curves import markdown_table
from shared.results import command_line, finish
from shared.tuning_tables import both_ways
from torch import Generator, Tensor

from equigrasp.data import batch_keys as keys
from equigrasp.data.files import write_atomically
from equigrasp.diffusion.policy_gradient import clipped_update
from equigrasp.models.equiigd import EquiIGD
from equigrasp.testing import synthetic_tsdf
from equigrasp.training.trial_tuning import Drawn, TrialSettings, TrialTuner

SIZES = {"few": (1, 4, 4), "default": (4, 8, 16)}
"""Scenes, points, rotations of an update."""
QUERIES = 64
"""Labelled points of a scene."""


def main() -> None:
    """Measure, tabulate."""
    arguments = parser().parse_args()
    torch.set_num_threads(1)
    if arguments.quick:
        arguments.repeats, arguments.rows, arguments.sizes = 1, 16, ["few"]
    rows = {name: measured(*SIZES[name], arguments) for name in arguments.sizes}
    text = markdown_table(rows) + (
        f"\n\nT = {arguments.chain_steps} steps, 40 voxels; best of {arguments.repeats}, processor "
        f"time; of more than {arguments.rows} rows so many are timed."
    )
    print(text)
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), text + "\n")
    numbers = {f"{size}_{name}": v for size, found in rows.items() for name, v in found.items()}
    finish(arguments, numbers, {"chain_steps": arguments.chain_steps})


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "grasp_tuning")
    add = found.add_argument
    add("--sizes", nargs="+", choices=sorted(SIZES), default=sorted(SIZES, reverse=True))
    add("--chain-steps", type=int, default=TrialSettings.chain_steps, help="T")
    add("--rows", type=int, default=64, help="most rows that are timed")
    add("--repeats", type=int, default=3)
    return found


def measured(
    scenes: int, points: int, samples: int, arguments: argparse.Namespace
) -> dict[str, float]:
    """Seconds and encoded scenes of an update, both ways."""
    torch.manual_seed(0)
    settings = TrialSettings(points=points, samples=samples, chain_steps=arguments.chain_steps)
    tuner = TrialTuner(EquiIGD(), settings)
    batch = made_up(tuner, scenes)
    drawn = tuner.draw(batch, Generator().manual_seed(0))
    gained = tuner.gains(torch.rand(drawn.log_prob.shape[:3]) < 0.3)
    count = gained.numel()
    rows = torch.randperm(count)[: min(count, arguments.rows)]
    ways: dict[str, Callable[[], Tensor]] = {
        "two_level": partial(two_level, tuner, batch[keys.TSDF], drawn, gained),
        "rows": partial(row_wise, tuner, batch[keys.TSDF], drawn, gained, rows),
    }
    shares = {"rows": len(rows) / count}
    encoder = tuner.model.encoder
    costs = both_ways(encoder, ways, arguments.repeats, lambda planes: len(planes[0]), shares)
    return {"decisions": float(count), **costs}


def made_up(tuner: TrialTuner, scenes: int) -> dict[str, Tensor]:
    """What of a batch grasps are drawn from."""
    generator = Generator().manual_seed(1)
    return {
        keys.TSDF: synthetic_tsdf(tuner.model.resolution, scenes, generator),
        keys.POINTS: 0.8 * (torch.rand(scenes, QUERIES, 3, generator=generator) - 0.5),
        keys.MASK: torch.ones(scenes, QUERIES, dtype=torch.bool),
    }


def two_level(tuner: TrialTuner, tsdf: Tensor, drawn: Drawn, gained: Tensor) -> Tensor:
    """The policy's loss as `TrialTuner.losses` makes it."""
    model = tuner.model
    seen = model.attend(model.reader(model.encode(tsdf)), drawn.points)
    log_prob = tuner.log_prob(seen, drawn.states)
    return clipped_update(log_prob, drawn.log_prob, gained, tuner.settings.clip).loss


def row_wise(tuner: TrialTuner, tsdf: Tensor, drawn: Drawn, gained: Tensor, rows: Tensor) -> Tensor:
    """The same loss over rows (R,) of all decisions, each with its own scene and point."""
    model = tuner.model
    i, q, s, t = torch.unravel_index(rows, gained.shape)
    seen = model.attend(model.reader(model.encode(tsdf[i])), drawn.points[i, q].unsqueeze(1))
    before, after = (drawn.states[i, q, s, t + step].unsqueeze(1) for step in (0, 1))
    network = partial(model.predict, model.context(seen.squeeze(1)))
    log_prob = tuner.policy.likelihood(network, before, after, t.unsqueeze(1))
    old, gain = (part[i, q, s, t].unsqueeze(1) for part in (drawn.log_prob, gained))
    return clipped_update(log_prob, old, gain, tuner.settings.clip).loss


if __name__ == "__main__":
    main()
