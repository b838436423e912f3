"""What noised chunks beside each other bring Diffusion Policy on PushT, from pictures and states.

    python benchmarks/pusht.py --minutes 30 --seeds 3 --record     # hours; goes on where it stopped
    python benchmarks/pusht.py --sees state --minutes 3 --name pusht_states --record
    python benchmarks/pusht.py --costs --record                    # of a training step alone
    python benchmarks/pusht.py --quick                             # two demonstrations, a minute

Every arm has the same policy, demonstrations and processor time; they differ in M, the noised
chunks of every encoded observation. Told are scores at equal time and at equal steps, memory, and
how much of the time of M = 1 an arm needs for the best that M = 1 reaches.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shared.arm_curves import at, markdown_table
from shared.chunk_arms import (
    Arm,
    Study,
    batch_of,
    kept_megabytes,
    known_points,
    run_arm,
    step_seconds,
)
from shared.results import command_line, finish, save_figure

from equigrasp.data.files import write_atomically, write_json
from equigrasp.optional import require_extra
from equigrasp.policy.chunk_training import build_chunks
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.chunks.synthetic import random_observed
from equigrasp.policy.replays.diffusion_policy_files import write_diffusion_policy
from equigrasp.policy.replays.replay import joined
from sim.pusht.demonstrate import make_episode, read_episode

MODEL = {"denoiser": "mlp", "channels": 128, "hidden": 256, "layers": 3}
"""A denoiser that costs little: what is shared, the encoding, has to cost more than a sample."""
DENOISERS: dict[str, dict[str, Any]] = {
    "mlp": MODEL,
    "transformer": {"denoiser": "transformer", "channels": 64, "layers": 3},
    "unet": {"denoiser": "unet", "channels": 64, "widths": (32, 64, 128)},
}
"""Policies whose training steps are measured."""
MEASURES = {"score": True, "loss": False, "near": True}
"""What curves tell, and whether more of it is better."""


def main() -> None:
    """Train what is missing, tabulate, plot."""
    arguments = parser().parse_args()
    require_extra("pusht", "PushT")
    torch.set_num_threads(1)
    arguments.result = arguments.result.with_stem(arguments.name)
    if arguments.costs:
        costs(arguments)
        return
    if not arguments.quick:
        study(arguments)
        return
    if arguments.record:
        raise SystemExit("--quick would replace recorded curves by two episodes'; leave --record")
    with tempfile.TemporaryDirectory() as folder:
        arguments.data, arguments.out = Path(folder) / "pusht.zarr", Path(folder) / "out"
        few_demonstrations(Path(folder), arguments.data)
        arguments.minutes, arguments.points, arguments.episodes = 0.03, 2, 1
        arguments.samples, arguments.seeds = [1, 16], 1
        study(arguments)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "pusht")
    add = found.add_argument
    add("--data", type=Path, default=Path("data/pusht"), help="demonstrations")
    add("--sees", nargs="+", choices=("image", "state"), default=["image", "state"])
    add("--samples", nargs="+", type=int, default=[1, 4, 16, 64], help="M of the arms")
    add("--seeds", type=int, default=3, help="0 to N - 1")
    add("--minutes", type=float, default=30.0, help="processor time of an arm's training steps")
    add("--points", type=int, default=6, help="how often an arm is judged")
    add("--episodes", type=int, default=50, help="played each time")
    add("--batch", type=int, default=32, help="B, observations of a step")
    add("--name", default="pusht", help="of the recorded results")
    add("--costs", action="store_true", help="measure training steps, train nothing")
    add("--table-only", action="store_true", help="tabulate what is there")
    add("--out", type=Path, default=Path("outputs/pusht_arms"))
    return found


def costs(arguments: argparse.Namespace) -> None:
    """Processor time and memory of a training step by M, as times those of M = 1."""
    rows: dict[str, dict[str, Any]] = {}
    for sees in arguments.sees:
        for name, options in DENOISERS.items():
            policy = DiffusionPolicy(sees=sees, **options)
            seen = random_observed(sees, arguments.batch, size=84, dtype=torch.float32)
            batch = {"state": seen.state, "action": torch.zeros(arguments.batch, 16, 2)}
            batch |= {} if seen.image is None else {"image": seen.image}
            own = rows.setdefault(f"{sees}_{name}", {})
            for samples in arguments.samples:
                own[f"ms_m{samples}"] = 1000 * step_seconds(policy, batch, samples)
                own[f"kept_MB_m{samples}"] = kept_megabytes(policy, batch, samples)
    text = f"{markdown_table(rows)}\n\nB = {arguments.batch}, processor time."
    print(text)
    arguments.result = arguments.result.with_stem(f"{arguments.name}_costs")
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), text + "\n")
    numbers = {f"{arm}_{name}": v for arm, found in rows.items() for name, v in found.items()}
    finish(arguments, numbers, {"batch": arguments.batch})


def few_demonstrations(folder: Path, target: Path) -> None:
    """Two planned episodes as a data set."""
    for index in range(2):
        make_episode(str(folder), 3, index)
    paths = sorted((folder / "episodes").iterdir())
    write_diffusion_policy(joined([read_episode(path) for path in paths]), target)


def study(arguments: argparse.Namespace) -> None:
    """All arms, seed after seed, and what came of them."""
    common = Study(
        arguments.data,
        MODEL,
        arguments.batch,
        arguments.minutes,
        arguments.points,
        arguments.episodes,
    )
    curves: dict[str, dict[str, list[dict[str, float]]]] = {}
    for seed in range(arguments.seeds):
        for sees in arguments.sees:
            for samples in arguments.samples:
                arm = Arm(sees, samples, seed)
                folder = arguments.out / arm.name
                if arguments.table_only and not known_points(folder):
                    continue
                if not arguments.table_only:
                    print("+", arm.name, flush=True)
                    run_arm(arm, common, folder)
                curves.setdefault(f"{sees}_m{samples}", {})[str(seed)] = known_points(folder)
    if not curves:
        raise SystemExit(f"no arm is trained in {arguments.out}; leave --table-only out")
    report(curves, arguments)


def report(
    curves: dict[str, dict[str, list[dict[str, float]]]], arguments: argparse.Namespace
) -> None:
    """Print the table; write table, curves and picture where they are to be recorded."""
    rows = {arm: row(arm, curves, arguments) for arm in curves}
    counts = {arm: len(seeds) for arm, seeds in curves.items()}
    text = markdown_table(rows) + (
        f"\n\nSeeds: {', '.join(f'{arm} {count}' for arm, count in counts.items())}. Policies: "
        f"{MODEL}, B = {arguments.batch}, {arguments.episodes} episodes a point. Means over seeds."
    )
    print(text)
    numbers = {
        f"{arm}_{name}": value
        for arm, found in rows.items()
        for name, value in found.items()
        if value is not None
    }
    if arguments.record:
        result = arguments.result
        write_json(result.with_name(f"{result.stem}_curves.json"), curves)
        write_atomically(result.with_suffix(".md"), text + "\n")
        draw(curves, result.with_suffix(".png"))
    finish(arguments, numbers, {"minutes": arguments.minutes, "batch": arguments.batch})


def row(
    arm: str,
    curves: dict[str, dict[str, list[dict[str, float]]]],
    arguments: argparse.Namespace,
) -> dict[str, float | None]:
    """An arm in numbers, means over its seeds."""
    sees, seeds = arm.split("_m")[0], curves[arm]
    of_its_kind = {name: found for name, found in curves.items() if name.startswith(f"{sees}_")}
    last = [points[-1] for points in seeds.values()]
    step = min(p[-1]["step"] for found in of_its_kind.values() for p in found.values())
    found: dict[str, float | None] = {
        "steps": mean([point["step"] for point in last]),
        "minutes": mean([point["minutes"] for point in last]),
        "kept_MB": memory(sees, int(arm.split("_m")[1]), arguments),
    }
    for name in MEASURES:
        found[name] = mean([point[name] for point in last])
        there = [at(points, name, step) for points in seeds.values()]
        found[f"{name}_at_equal_steps"] = None if None in there else mean(there)
    for name, more in MEASURES.items():
        pairs = [(seeds[s], of_its_kind[f"{sees}_m1"][s]) for s in shared(seeds, of_its_kind, sees)]
        shares = [share_of_time(own, one, name, more) for own, one in pairs]
        reached = [share for share in shares if share is not None]
        whole = len(reached) == len(shares) > 0
        found[f"time_to_m1_{name}"] = mean(reached) if whole else None
        found[f"time_to_m1_{name}_worst"] = max(reached) if whole else None
    return found


def shared(seeds: Any, kinds: dict[str, Any], sees: str) -> list[str]:
    """Seeds that an arm has in common with M = 1."""
    return [seed for seed in seeds if seed in kinds.get(f"{sees}_m1", {})]


def share_of_time(
    points: Sequence[dict[str, float]], one: Sequence[dict[str, float]], name: str, more: bool
) -> float | None:
    """Share of the time of M = 1 after which an arm reaches the best that M = 1 does, on straight
    lines between its points.

    Args:
        points: of the arm.
        one: of M = 1.
        name: of the measure.
        more: whether more of it is better.

    Returns:
        None if the arm does not reach it.
    """
    sign = 1 if more else -1
    best = max(one, key=lambda point: sign * point[name])
    before: dict[str, float] | None = None
    for point in points:
        if sign * point[name] >= sign * best[name]:
            if before is None:
                return point["minutes"] / best["minutes"]
            part = (best[name] - before[name]) / (point[name] - before[name])
            spent = before["minutes"] + part * (point["minutes"] - before["minutes"])
            return spent / best["minutes"]
        before = point
    return None


def mean(values: Sequence[float]) -> float:
    """The mean of some numbers."""
    return float(np.mean(values))


def memory(sees: str, samples: int, arguments: argparse.Namespace) -> float:
    """See `kept_megabytes`."""
    policy = DiffusionPolicy(sees=sees, **MODEL)
    data = {"name": "", "root": str(arguments.data), "episodes": None, "val_fraction": 0.05}
    learned, _ = build_chunks(data, policy, 0)
    keys = [(0, index) for index in range(min(arguments.batch, len(learned)))]
    return kept_megabytes(policy, batch_of(learned, keys), samples)


def draw(curves: dict[str, dict[str, list[dict[str, float]]]], path: Path) -> None:
    """Scores and held-out losses against steps and processor time, mean and range of the seeds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kinds = list(dict.fromkeys(arm.split("_m")[0] for arm in curves))
    columns = [(kind, name) for kind in kinds for name in ("score", "loss")]
    size = (3.6 * len(columns), 6.5)
    figure, axes = plt.subplots(2, len(columns), figsize=size, squeeze=False)
    for line, along in zip(axes, ("step", "minutes"), strict=True):
        for axis, (kind, name) in zip(line, columns, strict=True):
            for arm, seeds in curves.items():
                if not arm.startswith(f"{kind}_"):
                    continue
                common = min(len(points) for points in seeds.values())
                x = np.array([[p[along] for p in points[:common]] for points in seeds.values()])
                y = np.array([[p[name] for p in points[:common]] for points in seeds.values()])
                axis.plot(x.mean(0), y.mean(0), ".-", label=arm)
                axis.fill_between(x.mean(0), y.min(0), y.max(0), alpha=0.15)
            axis.set(xlabel=along, ylabel=name, title=kind)
            axis.grid(alpha=0.3)
            axis.legend(fontsize=7)
    save_figure(figure, path)


if __name__ == "__main__":
    main()
