"""What noised samples beside each other bring a policy: learning curves at equal wall-clock time.

    python benchmarks/policy_batches.py --data data/demos --minutes 90 --success 10
    python benchmarks/policy_batches.py --quick                # made-up demonstrations, minutes

Three arms with the same model, data and time: M noised actions per observation, one, and one with
twice as many observations. Runs go on where they were interrupted. Run them one by one, or on
machines that are equally busy, for time is what is compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from shared.report import RESULTS, finish, options, save_figure, write_json, write_text

from equigrasp.policy.synthetic import write_synthetic_demonstrations
from equigrasp.training.run_log import minutes_by_step, read_records

ROOT = Path(__file__).parents[1]
BATCH = 16
ARMS = {
    "m64": ["policy.samples=64", f"trainer.batch_size={BATCH}"],
    "m1": ["policy.samples=1", f"trainer.batch_size={BATCH}"],
    "m1_2b": ["policy.samples=1", f"trainer.batch_size={2 * BATCH}"],
}
"""Training options that make up an arm."""
CURVES = ("near", "turned", "correct")
"""Shares of held-out keyframes: within 1 cm, within 5 degrees, right in all."""
TINY = ["model.widths=[24,48]", "model.channels=24", "model.head_channels=12", "model.patch=16"]
TINY += ["data.cloud.points=64", "data.cameras=[front]", "trainer.warmup_steps=5"]


def main() -> None:
    """Train what is missing, tabulate, plot."""
    arguments = parser().parse_args()
    if not arguments.quick:
        study(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.data, arguments.out = Path(folder) / "demos", Path(folder) / "out"
        write_synthetic_demonstrations(arguments.data, 12, cameras=["front"])
        arguments.minutes, arguments.validate_every = 0.05, 20
        study(arguments)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = options(__doc__, "policy_batches")
    add = found.add_argument
    add("--data", type=Path, default=Path("data/demos"), help="folder of tasks")
    add("--arms", nargs="+", choices=sorted(ARMS), default=list(ARMS))
    add("--minutes", type=float, default=60.0, help="of every arm")
    add("--validate-every", type=int, default=500, help="steps")
    add("--success", type=int, metavar="EPISODES", help="play so many of every task")
    add("--workers", type=int, default=1, help="of these episodes")
    add("--table-only", action="store_true", help="tabulate what is there")
    add("--out", type=Path, default=Path("outputs/policy_batches"))
    return found


def study(arguments: argparse.Namespace) -> None:
    """The arms, and what came of them."""
    curves, rows = {}, {}
    for arm in arguments.arms:
        folder = arguments.out / arm
        if not (folder / "model.json").exists():
            if arguments.table_only:
                continue
            call(["-m", "equigrasp.train", *training_options(arm, folder, arguments)])
        curves[arm] = curve(folder)
        rows[arm] = row(folder, curves[arm])
        if arguments.success:
            rows[arm]["success"] = played(folder, arguments)
    if "m1" in curves:
        best = max(point["correct"] for point in curves["m1"])
        spent = curves["m1"][-1]["minutes"]
        for arm, points in curves.items():
            reached = next((p["minutes"] for p in points if p["correct"] >= best), None)
            rows[arm]["time_to_m1"] = None if reached is None else reached / spent
    text = table(rows)
    print(text)
    numbers = {
        f"{arm}_{name}": value
        for arm, found in rows.items()
        for name, value in found.items()
        if value is not None
    }
    if arguments.record:
        write_json(arguments.result.with_name("policy_batches_curves.json"), curves)
        write_text(arguments.result.with_name("policy_batches.md"), text)
        plot(curves, RESULTS / "policy_batches.png")
    finish(arguments, numbers, {"minutes": arguments.minutes, "batch": BATCH})


def training_options(arm: str, folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Command line of a run."""
    return [
        *("model=mini_diffuser", "data=demos", "experiment=policy_one_core", *ARMS[arm]),
        *(f"data.root={arguments.data}", f"data.cache={arguments.out / 'clouds'}"),
        *(f"run_dir={folder}", "trainer.progress=false"),
        *(f"trainer.max_minutes={arguments.minutes}", "trainer.log_every=20"),
        *(f"trainer.validate_every={arguments.validate_every}", f"name={folder.name}"),
        *(TINY if arguments.quick else []),
    ]


def curve(folder: Path) -> list[dict[str, float]]:
    """Validations of a run with their step and minutes."""
    minutes = minutes_by_step(folder / "metrics.jsonl")
    return [
        {
            "step": record["step"],
            "minutes": max(spent for step, spent in minutes.items() if step <= record["step"]),
            **{name: record[name] for name in (*CURVES, "position_median_mm")},
        }
        for record in read_records(folder / "metrics.jsonl", "validation")
    ]


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


def played(folder: Path, arguments: argparse.Namespace) -> float:
    """Mean success (%) on the task suite."""
    out = arguments.out / "played" / folder.name
    command = ["sim/policy_eval.py", "--policy", str(folder), "--tasks", "all", "--seeds", "1"]
    command += ["--episodes", str(arguments.success), "--workers", str(arguments.workers)]
    call([*command, "--out", str(out)])
    return json.loads((out / "summary.json").read_text())["mean_success"]


def call(command: list[str]) -> None:
    """Run one of our programs from the repository's root."""
    print("+", " ".join(command), flush=True)
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown: an arm a row."""
    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    lines = ["| arm | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for arm, found in rows.items():
        cells = [found.get(name) for name in names]
        shown = ["-" if value is None else f"{value:.4g}" for value in cells]
        lines.append(f"| {arm} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def plot(curves: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Shares of held-out keyframes against steps and against minutes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(CURVES), figsize=(12, 6.5), sharey="col")
    for line, along in zip(axes, ("step", "minutes"), strict=True):
        for axis, name in zip(line, CURVES, strict=True):
            for arm, points in curves.items():
                axis.plot([p[along] for p in points], [p[name] for p in points], label=arm)
            axis.set(xlabel=along, ylabel=name)
            axis.grid(alpha=0.3)
    axes[0, 0].legend()
    save_figure(figure, path)


if __name__ == "__main__":
    main()
