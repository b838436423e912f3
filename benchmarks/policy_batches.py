"""What noised samples beside each other bring a policy: learning curves at equal wall-clock time.

    python benchmarks/policy_batches.py --data data/demos --minutes 90 --success 10
    python benchmarks/policy_batches.py --minutes 34 --arms m64 m1 m1_2b m1_long --long-minutes 145
    python benchmarks/policy_batches.py --quick                # made-up demonstrations, minutes

Three arms with the same model, data and time: M noised actions per observation, one, and one with
twice as many observations. A fourth, asked for by name, has one and several times as long: it tells
how much time the others save. Runs go on where they were interrupted. Run them one by one, or on
machines that are equally busy, for time is what is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from shared.arm_curves import CURVES, LONG, compared, curve, draw_curves, markdown_table
from shared.results import command_line, finish

from equigrasp.data.files import write_atomically, write_json
from equigrasp.policy.episodes.synthetic import write_synthetic_demonstrations
from equigrasp.policy.saved import load_policy
from equigrasp.training.checkpoint import load_checkpoint
from equigrasp.training.run_log import minutes_by_step
from equigrasp.weights import save_model

ROOT = Path(__file__).parents[1]
BATCH = 16
TIMES_AS_LONG = 5.0
"""One noised action and so many times the minutes, unless `--long-minutes` tells how many."""
SHORT = ("m64", "m1", "m1_2b")
"""Arms that are trained where none are named."""
ARMS = {
    **{f"m{m}": [f"policy.samples={m}"] for m in (1, 4, 16, 64, 128, 256)},
    "m1_2b": ["policy.samples=1", f"trainer.batch_size={2 * BATCH}"],
    LONG: ["policy.samples=1"],
    "no_rope": ["model.rope=false"],
    "no_local_query": ["model.local_query=false"],
    "coupled_head": ["model.decoupled_head=false", "policy.weights=null"],
    "flow": ["model.schedule=flow"],
    "actor": ["model=diffuser_actor", "~model.widths", "policy.weights=null"],
}
"""Training options that make up an arm: M, parts of the policy, or another policy."""
MARKS = (25, 50, 75)
"""Weights are kept after so many percent of the time, and may be played beside the best ones."""
POLL_SECONDS = 5.0
TINY = ["model.widths=[24,48]", "model.channels=24", "model.head_channels=12", "model.patch=16"]
TINY += ["data.cloud.points=64", "data.cameras=[front]", "trainer.warmup_steps=5"]


def main() -> None:
    """Train what is missing, tabulate, plot."""
    arguments = parser().parse_args()
    if not arguments.quick:
        study(arguments)
        return
    if arguments.record:
        raise SystemExit(
            "--quick would replace recorded curves by made-up ones; leave out --record"
        )
    with tempfile.TemporaryDirectory() as folder:
        arguments.data, arguments.out = Path(folder) / "demos", Path(folder) / "out"
        write_synthetic_demonstrations(arguments.data, 12, cameras=["front"])
        arguments.minutes, arguments.validate_every = 0.3, 20
        study(arguments)


def parser(
    text: str | None = __doc__, name: str = "policy_batches", arms: Sequence[str] = SHORT
) -> argparse.ArgumentParser:
    """Command-line options.

    Args:
        text: shown by --help.
        name: of the results.
        arms: trained where none are named.
    """
    found = command_line(text, name)
    add = found.add_argument
    add("--data", type=Path, default=Path("data/demos"), help="folder of tasks")
    add("--arms", nargs="+", choices=sorted(ARMS), default=list(arms))
    add("--minutes", type=float, default=60.0, help=f"of every arm but {LONG}")
    add(
        "--long-minutes",
        type=float,
        help=f"of {LONG}; by default {TIMES_AS_LONG:g} times --minutes",
    )
    add("--validate-every", type=int, default=500, help="steps")
    add(
        "--success",
        type=int,
        metavar="EPISODES",
        help="play so many of every task, but those on record",
    )
    add("--workers", type=int, default=1, help="of these episodes")
    add(
        "--marks",
        nargs="*",
        type=int,
        choices=MARKS,
        default=list(MARKS),
        help="percent of the time; weights of then are played beside the best ones",
    )
    add("--table-only", action="store_true", help="tabulate what is there")
    add("--out", type=Path, default=Path("outputs/policy_batches"))
    return found


def study(arguments: argparse.Namespace) -> None:
    """The arms, and what came of them."""
    curves, successes, rows = {}, {}, {}
    for arm in arguments.arms:
        folder = arguments.out / arm
        if not (folder / "model.json").exists():
            if arguments.table_only:
                continue
            trained(arm, folder, arguments)
        curves[arm] = curve(folder)
        rows[arm] = row(folder, curves[arm])
        if arguments.success:
            known = recorded_success(arm, curves[arm], arguments)
            successes[arm] = known or success_curve(folder, arguments)
            last = successes[arm][-1]
            rows[arm] |= {name: last[name] for name in last if name.startswith("success")}
    if not curves:
        raise SystemExit(f"no arm is trained in {arguments.out}; leave --table-only out")
    common = min(points[-1]["step"] for points in curves.values())
    for arm, found in compared(curves, common).items():
        rows[arm] |= found
    text = f"{markdown_table(rows)}\n\nEqual steps: {common}. {what_is_common(arguments.out, rows)}"
    print(text)
    numbers = {
        f"{arm}_{name}": value
        for arm, found in rows.items()
        for name, value in found.items()
        if value is not None
    }
    if arguments.record:
        found = {"validation": curves, "success": successes}
        write_json(recorded_curves(arguments), found)
        write_atomically(arguments.result.with_suffix(".md"), text + "\n")
        draw_curves(curves, successes, arguments.result.with_suffix(".png"))
    minutes = {f"{arm}_planned_minutes": minutes_of(arm, arguments) for arm in curves}
    finish(arguments, numbers, {**minutes, "batch": BATCH})


def trained(arm: str, folder: Path, arguments: argparse.Namespace) -> None:
    """Train an arm, and keep its weights at `MARKS`."""
    command = ["-m", "equigrasp.train", *training_options(arm, folder, arguments)]
    print("+", " ".join(command), flush=True)
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL) as run:
        while run.poll() is None:
            time.sleep(min(POLL_SECONDS, arguments.minutes * 60 / 100))
            keep_marked(folder, minutes_of(arm, arguments))
    if run.returncode:
        raise subprocess.CalledProcessError(run.returncode, command)


def minutes_of(arm: str, arguments: argparse.Namespace) -> float:
    """Training time of an arm."""
    if arm != LONG:
        return arguments.minutes
    return arguments.long_minutes or TIMES_AS_LONG * arguments.minutes


def keep_marked(folder: Path, minutes: float) -> None:
    """Name the latest checkpoint after the latest mark, if it has no name yet; a run removes
    checkpoints that nothing names."""
    last = folder / "checkpoints" / "last"
    spent = max(minutes_by_step(folder / "metrics.jsonl").values(), default=0.0)
    passed = [mark for mark in MARKS if spent >= mark / 100 * minutes]
    link = last.with_name(f"at_{passed[-1]}") if passed else None
    if link is not None and last.is_symlink() and not link.is_symlink():
        link.symlink_to(os.readlink(last), target_is_directory=True)


def training_options(arm: str, folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Command line of a run."""
    return [
        *chosen(ARMS[arm]),
        *(f"data.root={arguments.data}", f"data.cache={arguments.out / 'clouds'}"),
        *(f"run_dir={folder}", "trainer.progress=false"),
        *(f"trainer.max_minutes={minutes_of(arm, arguments)}", "trainer.log_every=20"),
        *(f"trainer.validate_every={arguments.validate_every}", f"name={folder.name}"),
        *(TINY if arguments.quick else []),
    ]


def chosen(options: Sequence[str]) -> list[str]:
    """Model, data and experiment, with an arm's own options after them."""
    model = next((o for o in options if o.startswith("model=")), "model=mini_diffuser")
    rest = [option for option in options if option != model]
    return [model, "data=demos", "experiment=policy_one_core", *rest]


def what_is_common(out: Path, arms: Iterable[str]) -> str:
    """What all arms have in common, as the card of the first one tells it."""
    card = json.loads((out / next(iter(arms)) / "model.json").read_text())
    weights = card["policy"]["weights"] or "as published"
    turned, rate = card["augmentation"]["yaw"], card["training"]["learning_rate"]
    return (
        f"{card['train_keyframes']} keyframes; weights of the losses: {weights}; "
        f"scenes turned by up to {turned:g} rad; learning rate {rate:g}."
    )


def row(folder: Path, points: list[dict[str, float]]) -> dict[str, Any]:
    """Steps, minutes and best validation of an arm."""
    card = json.loads((folder / "model.json").read_text())
    best = card["validation"]
    return {
        "steps": points[-1]["step"],
        "minutes": points[-1]["minutes"],
        **{name: 100 * best[name] for name in CURVES},
        "position_median_mm": best["position_median_mm"],
    }


def recorded_success(
    arm: str, points: list[dict[str, float]], arguments: argparse.Namespace
) -> list[dict[str, float]] | None:
    """Success curve on record of this very run, of as many episodes and marks; None if there is
    none."""
    path = recorded_curves(arguments)
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    curve = found["success"].get(arm, [])
    same = found["validation"].get(arm) == points and len(curve) == len(arguments.marks) + 1
    alike = all(point["episodes"] == arguments.success for point in curve)
    return curve if same and alike else None


def recorded_curves(arguments: argparse.Namespace) -> Path:
    """File of the curves on record."""
    return arguments.result.with_name(f"{arguments.result.stem}_curves.json")


def success_curve(folder: Path, arguments: argparse.Namespace) -> list[dict[str, float]]:
    """Mean success (%) on the task suite of the weights kept on the way and of the best ones, with
    its interval."""
    minutes = minutes_by_step(folder / "metrics.jsonl")
    points = []
    for mark in arguments.marks:
        link = folder / "checkpoints" / f"at_{mark}"
        if not link.is_symlink():
            continue
        policy = load_policy(folder)
        checkpoint = load_checkpoint(link)
        policy.load_state_dict(checkpoint.average)
        step = checkpoint.state["step"]
        card = {**policy.card, "step": step, "validation": None}  # the card is of the best weights
        path = save_model(policy, arguments.out / "kept" / f"{folder.name}_{mark}", card)
        points.append({"step": step, **played(path, arguments)})
    card = json.loads((folder / "model.json").read_text())
    points.append({"step": card["step"], **played(folder, arguments)})
    for point in points:
        point["minutes"] = max(m for step, m in minutes.items() if step <= point["step"])
        point["episodes"] = arguments.success
    return points


def played(policy: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Mean success (%) of a policy on the tasks of its demonstrations, with its 95 % interval."""
    out = arguments.out / "played" / policy.stem
    command = ["sim/policy_eval.py", "--policy", str(policy), "--tasks", "all", "--seeds", "1"]
    command += ["--episodes", str(arguments.success), "--workers", str(arguments.workers)]
    call([*command, "--out", str(out)])
    found = json.loads((out / "summary.json").read_text())
    low, high = found["interval"]
    return {"success": found["mean_success"], "success_low": low, "success_high": high}


def call(command: list[str]) -> None:
    """Run one of our programs from the repository's root."""
    print("+", " ".join(command), flush=True)
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
