"""One command, one table: train what is missing, clear the same clutter with every planner.

    python benchmarks/compare.py --packed data/packed --pile data/pile     # everything
    python benchmarks/compare.py --packed data/packed --models giga giga_c4 equigiga_hr60 --epochs 6
    python benchmarks/compare.py --shipped --pile data/pile --models equiigd_n1 equiigd_n16
    python benchmarks/compare.py --table-only --record                     # of what is there
    python benchmarks/compare.py --quick                                   # shipped weights only

Every model is trained on the same scenes for the same number of steps, and every evaluation plays
the same rounds (same seeds, same scene list, same noise). Runs and evaluations below --out are
resumed, so an interrupted comparison goes on and another model can be added later. The table has
parameters, training time and labels per second, planning latency, equivariance error, average
precision, GSR and DR; a second one tells how far ours are ahead of the others on the same rounds.
The plots show GSR and DR against latency, and how far a score can be taken for a probability. With
--record, rows recorded before stay, except for those played again.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shared import paired
from shared.compare_table import collect, draw_plots, headline, markdown, with_earlier
from shared.results import command_line, finish

from equigrasp.data.files import write_atomically, write_json
from equigrasp.weights import shipped_names

ROOT = Path(__file__).parents[1]
MODELS = ("vgn", "giga", "igd", "equigiga", "equiigd")
RATES = {"vgn": 1e-3, "giga": 1e-3, "igd": 1e-3, "equigiga": 2e-3, "equiigd": 2e-3}
"""Peak learning rates: normalised encoders take twice that of the others."""
C4 = "_c4"
"""Ending of a model's name that stands for training it with quarter-turn augmentation."""
SETTINGS = {"hr": "lattice", "n": "num_samples"}
"""Endings with a number that stand for a planner setting: a lattice of so many points a side
("HR"), so many rotations sampled per peak. The trained model is the same."""
ENDING = re.compile(rf"_({'|'.join(SETTINGS)})(\d+)$")


@dataclass(frozen=True)
class Entry:
    """A model to train and to evaluate on one kind of scene."""

    scene: str
    model: str

    @property
    def trained(self) -> str:
        """Name under which the model is trained: planner settings are none of its business."""
        return ENDING.sub("", self.model)

    @property
    def architecture(self) -> str:
        """Name of the model without the augmentation."""
        return self.trained.removesuffix(C4)

    @property
    def setting(self) -> str | None:
        """Planner setting `NAME=VALUE` that the name asks for; None for the model's own."""
        found = ENDING.search(self.model)
        return f"{SETTINGS[found.group(1)]}={found.group(2)}" if found else None


def main() -> None:
    """Everything, or a quick look at shipped weights."""
    arguments = parser().parse_args()
    if not arguments.quick:
        compare(arguments)
        return
    if arguments.record:
        raise SystemExit("--quick would replace recorded rows by one round; leave out --record")
    arguments.rounds, arguments.seeds, arguments.views = 1, 1, ["fixed"]
    if arguments.models == list(MODELS):
        arguments.models = ["giga", "equigiga"]
    with tempfile.TemporaryDirectory() as folder:  # nothing of an earlier look is resumed
        arguments.out = Path(folder)
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """Train, evaluate, tabulate as the command line says."""
    if not arguments.table_only:
        play(arguments)
    rows = collect(arguments.out / "evaluations")
    recorded = arguments.result.with_name("compare_rows.json")
    if arguments.record and recorded.exists():
        rows = with_earlier(rows, json.loads(recorded.read_text()))
    text = f"{markdown(rows)}\n\nThe same rounds, side by side:\n\n{paired.markdown(rows)}"
    print(text)
    if arguments.record:
        write_atomically(
            arguments.result.with_suffix(".md"), f"# All planners, same rounds\n\n{text}\n"
        )
        write_json(recorded, rows)
        draw_plots(rows, arguments.result.with_suffix(".png"))
    finish(arguments, headline(rows))


def play(arguments: argparse.Namespace) -> None:
    """Train what is missing, then clear the rounds with every planner."""
    entries = [
        Entry(scene, model)
        for scene in ("packed", "pile")
        if getattr(arguments, scene) or arguments.quick
        for model in arguments.models
    ]
    weights = {}
    for entry in entries:
        if (path := weights_of(entry, arguments)) is not None:
            weights[entry] = path
    if not weights:
        raise SystemExit("nothing to compare: give --packed or --pile with folders of scenes")
    for view in arguments.views:
        for entry, path in weights.items():
            clear_rounds(entry, path, view, arguments)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "compare")
    add = found.add_argument
    add("--packed", nargs="+", type=Path, help="folders of packed scenes to train on")
    add("--pile", nargs="+", type=Path, help="folders of pile scenes to train on")
    add("--table-only", action="store_true", help="tabulate the evaluations below --out")
    add(
        "--models",
        nargs="+",
        default=list(MODELS),
        help=f"names, with {C4} for C4 augmentation, then _hr60 (lattice of 60) or _n4 (4 samples)",
    )
    add("--shipped", action="store_true", help="shipped weights where there are any")
    add("--epochs", type=int, default=6)
    add("--objects", default="default", help="object sets and folders of the evaluation")
    add("--views", nargs="+", choices=("fixed", "random"), default=["fixed", "random"])
    add("--rounds", type=int, default=100, help="rounds per seed")
    add("--seeds", type=int, default=5)
    add("--workers", type=int, default=2)
    add("--threads", type=int, default=1, help="torch threads of training")
    add("--out", type=Path, default=Path("outputs/compare"))
    add("--runs", type=Path, default=Path("runs"), help="where trained models are looked for")
    return found


def weights_of(entry: Entry, arguments: argparse.Namespace) -> Path | None:
    """Weights of an entry, trained if missing; in the quick run, shipped ones or none."""
    name = f"{entry.trained}_{entry.scene}"
    if (arguments.quick or arguments.shipped) and name in shipped_names():
        return Path(name)
    if arguments.quick:
        return None
    run = arguments.runs / f"{entry.scene}_{entry.trained}"
    if not (run / "model.safetensors").exists():
        folders = ",".join(str(path) for path in getattr(arguments, entry.scene))
        command = [
            "-m",
            "equigrasp.train",
            f"model={entry.architecture}",
            f"data={entry.scene}",
            f"data.dirs=[{folders}]",
            f"name={run.name}",
            f"run_dir={run}",
            f"trainer.epochs={arguments.epochs}",
            f"trainer.learning_rate={RATES[entry.architecture]}",
            f"trainer.threads={arguments.threads}",
            "trainer.precision=bf16-mixed",
            f"data.sample.quarter_turns={str(entry.trained.endswith(C4)).lower()}",
        ]
        call(command)
    return run


def clear_rounds(entry: Entry, weights: Path, view: str, arguments: argparse.Namespace) -> None:
    """Clear the rounds of one scene kind and view; all models of a kind play one scene list."""
    out = arguments.out / "evaluations" / f"{entry.scene}_{view}_{entry.model}"
    command = ["sim/clutter_eval.py", "--scene", entry.scene, "--view", view]
    command += ["--model", str(weights), "--objects", arguments.objects, "--table-rectify", "on"]
    command += ["--rounds", str(arguments.rounds), "--seeds", str(arguments.seeds)]
    command += ["--workers", str(arguments.workers), "--out", str(out)]
    if entry.setting:
        command += ["--set", entry.setting]
    scenes = arguments.out / f"{entry.scene}_{arguments.seeds}x{arguments.rounds}.json"
    if scenes.exists():
        command += ["--scene-list", str(scenes)]
    call(command)
    if not scenes.exists():
        write_atomically(scenes, (out / "scenes.json").read_bytes())


def call(command: list[str]) -> None:
    """Run one of our programs from the repository's root."""
    print("+", " ".join(command), flush=True)
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
