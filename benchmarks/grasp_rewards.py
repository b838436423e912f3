"""What fine-tuning EquiIGD by trials of its grasps brings: drawn rotations, and scenes cleared.

    python benchmarks/grasp_rewards.py --data data/pile --held data/pile_val --record
    python benchmarks/grasp_rewards.py --quick         # three made scenes, a minute

For every seed the shipped weights are fine-tuned on scenes of --data. Before and after, the scenes
of --held, which should be of other objects, are played: how many of the rotations drawn are lifted,
of those that the model is surest of, of the best grasp of a scene. With --rounds, scenes of test
objects are cleared too, the same rounds before and after; what was fine-tuned is calibrated first,
on validation objects, since its scores mean other things.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from shared.results import command_line
from shared.tuning_tables import finish_seeds

from equigrasp.data.files import read_json
from equigrasp.training.trial_tuning import TrialSettings
from sim.clutter.scene_lists import public_object_names
from sim.grasp_finetune import main as fine_tune

SHARES = ("rotations", "surest", "first")
"""Of what is lifted, see `sim.grasping.tuning.lifted_shares`."""
WHEN = ("before", "after")
MADE = "procedural:8"
"""Objects of the scenes that --quick makes."""


def main() -> None:
    """Fine-tune, play; tabulate."""
    arguments = parser().parse_args()
    if not arguments.quick:
        if not arguments.data or not arguments.held:
            raise SystemExit("give --data and --held: folders made by data_gen, of other objects")
        study(arguments)
        return
    if arguments.record:
        raise SystemExit("--quick would replace recorded figures by three scenes'; leave --record")
    with tempfile.TemporaryDirectory() as folder:
        arguments.data = arguments.held = make_scenes(Path(folder))
        arguments.objects, arguments.out = MADE, Path(folder) / "out"
        arguments.seeds, arguments.iterations, arguments.scenes, arguments.rounds = 1, 1, 2, 0
        study(arguments)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "grasp_rewards")
    add = found.add_argument
    add("--model", default="equiigd_pile", help="where fine-tuning begins")
    add("--data", type=Path, help="scenes to learn from")
    add("--held", type=Path, help="scenes to measure on")
    add("--objects", default="default", help="that the scenes were made of")
    add("--seeds", type=int, default=3, help="0 to N - 1")
    add("--iterations", type=int, default=40)
    add("--scenes", type=int, default=16, help="of an iteration")
    add("--rate", type=float, default=TrialSettings.learning_rate)
    add("--rounds", type=int, default=0, help="of scenes cleared before and after")
    add("--cleared", default="default", help="objects of these scenes, of their test split")
    add("--calibrated", type=int, default=60, help="scenes that calibration is fitted on")
    add("--workers", type=int, default=2)
    add("--out", type=Path, default=Path("outputs/grasp_rewards"))
    return found


def make_scenes(folder: Path) -> Path:
    """A data set of three scenes."""
    out = folder / "pile"
    command = [sys.executable, "-m", "data_gen", "pile", "--out", str(out), "--scenes", "3"]
    command += ["--objects", MADE, "--split", "all", "--grasps-per-scene", "24", "--workers", "2"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return out


def study(arguments: argparse.Namespace) -> None:
    """All seeds and what came of them."""
    found = [one_seed(seed, arguments) for seed in range(arguments.seeds)]
    s = TrialSettings()
    cleared = f"; {arguments.rounds} rounds of {public_object_names(arguments.cleared)}, test"
    caption = (
        f"Percent lifted. {arguments.model}, {arguments.iterations} iterations of "
        f"{arguments.scenes} scenes, {s.points} points, {s.samples} rotations, at "
        f"{arguments.rate:g}{cleared if arguments.rounds else ''}."
    )
    counts = {"iterations": arguments.iterations, "scenes": arguments.scenes}
    finish_seeds(arguments, found, caption, counts)


def one_seed(seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Shares (percent) of a seed, before and after.

    Raises:
        SystemExit: fine-tuning or clearing ended with an error, which it told.
    """
    out = arguments.out / f"tuned_{seed}"
    options: dict[str, Any] = {
        "--model": arguments.model,
        "--data": arguments.data,
        "--measure": arguments.held,
        "--objects": arguments.objects,
        "--out": out,
        "--seed": seed,
        "--iterations": arguments.iterations,
        "--scenes": arguments.scenes,
        "--learning-rate": arguments.rate,
        "--workers": arguments.workers,
    }
    if status := fine_tune([str(part) for pair in options.items() for part in pair]):
        raise SystemExit(status)
    lifted = read_json(out / "lifted.json")
    row = {f"{n}_{when}": lifted[when][n] for n in SHARES for when in WHEN}
    if arguments.rounds:
        kind = read_json(arguments.data / "manifest.json")["kind"]
        before = clear(kind, arguments.model, arguments.out / "cleared", arguments)
        calibrate(kind, out, arguments)
        after = clear(kind, str(out / "model"), out / "cleared", arguments)
        row |= {
            f"{n}_{when}": v for when, s in zip(WHEN, (before, after), strict=True) for n, v in s
        }
    return row


def calibrate(kind: str, run: Path, arguments: argparse.Namespace) -> None:
    """Fit what scores mean after the fine-tuning, into the card of the run's weights."""
    command = [sys.executable, "-m", "sim.calibrate", "--model", str(run / "model")]
    command += ["--scene", kind, "--objects", arguments.cleared, "--out", str(run / "calibration")]
    command += ["--scenes", str(arguments.calibrated), "--workers", str(arguments.workers)]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("calibration failed, see above")


def clear(
    kind: str, model: str, out: Path, arguments: argparse.Namespace
) -> list[tuple[str, float]]:
    """GSR and DR (percent) of the rounds; those that were played are not played again."""
    command = [sys.executable, "-m", "sim.clutter_eval", "--scene", kind, "--model", model]
    command += ["--rounds", str(arguments.rounds), "--seeds", "1", "--out", str(out)]
    command += ["--objects", arguments.cleared, "--workers", str(arguments.workers)]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("clearing failed, see above")
    found = read_json(out / "rectified" / "summary.json")
    return [(rate, found[rate]["mean"]) for rate in ("gsr", "dr")]


if __name__ == "__main__":
    main()
