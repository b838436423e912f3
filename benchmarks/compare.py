"""One command, one table: train what is missing, clear the same clutter with every planner.

    python benchmarks/compare.py --packed data/packed --pile data/pile     # everything
    python benchmarks/compare.py --packed data/packed --models giga giga_c4 equigiga_hr60 --epochs 6
    python benchmarks/compare.py --shipped --objects twins=my/urdfs limit --protocols giga contact \
        --rectify on off --models antipodal giga equigiga equiigd oracle
    python benchmarks/compare.py --table-only --record                     # of what is there
    python benchmarks/compare.py --quick                                   # shipped weights only

Every model is trained on the same scenes for the same number of steps. A column is a source of
objects (none of which any model here was trained on), a kind of scene, a protocol, a view, and
depth as it comes or rectified with the table; its evaluations play the same rounds (same seeds,
same scene list, same noise). Runs and evaluations below --out are resumed, so an interrupted
comparison goes on and another model can be added later. The table names the weights of every row
and the seeds of their trainings; it has parameters, training time and labels per second, planning
latency, equivariance error, average precision, GSR and DR; a second one tells how far ours are
ahead of the others on the same rounds. The plots show GSR and DR against latency, and how far a
score can be taken for a probability. With --record, rows recorded before stay, except for those
played again.

Headline figures, of the rows recorded and played: `equiigd_gsr_gap` and `equiigd_dr_gap`, the most
points that EquiIGD stays below the oracle in any column; `equigiga_gsr_behind` and
`equigiga_dr_behind`, the most that EquiGIGA stays below EquiIGD; `ece`, the largest expected
calibration error of both, and `equigiga_ece`, `equiigd_ece`. Beside them stand the figures of
predicted shapes that `benchmarks/reconstruction.py` recorded.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shared import paired, reconstruction_table
from shared.compare_table import collect, draw_plots, figures, headline, markdown, with_earlier
from shared.results import add_precision, command_line, finish

from equigrasp.data.files import write_atomically, write_json
from equigrasp.weights import shipped_names
from sim.clutter.planners import planner_class
from sim.clutter.protocol_files import load_protocol

ROOT = Path(__file__).parents[1]
MODELS = ("vgn", "giga", "igd", "equigiga", "equiigd")
RATES = {"equigiga": 2e-3, "equiigd": 2e-3}
"""Peak learning rates of normalised encoders, which take twice the `RATE` of the others."""
RATE = 1e-3
C4 = "_c4"
"""Ending of a model's name that stands for training it with quarter-turn augmentation."""
TOLD = "_told"
"""Ending of a planner that is told which of its grasps failed (`--avoid`)."""
SETTINGS = {"hr": "lattice", "n": "num_samples"}
"""Endings with a number that stand for a planner setting: a lattice of so many points a side
("HR"), so many rotations sampled per peak. The trained model is the same."""
SCENES = ("packed", "pile")
BASELINES = ("antipodal", "oracle", "oracle_unweighed")
"""Planners without weights."""
ENDING = re.compile(rf"_({'|'.join(SETTINGS)})(\d+)$")


@dataclass(frozen=True)
class Entry:
    """A model to train and to evaluate on one kind of scene; or a baseline.

    Attributes:
        scene: name of the kind.
        model: name, in folders and the table too.
        planner: MODULE:CLASS or "cmd:..." of a planner from elsewhere, as `sim/clutter_eval.py`
            takes it; "" for ours.
    """

    scene: str
    model: str
    planner: str = ""

    @classmethod
    def of(cls, scene: str, text: str) -> Entry:
        """An entry of `--models`: a name, or LABEL=PLANNER for one from elsewhere."""
        label, _, planner = text.partition("=")
        return cls(scene, label, planner)

    @property
    def trained(self) -> str:
        """Name under which the model is trained: planner settings are none of its business."""
        return ENDING.sub("", self.model.removesuffix(TOLD))

    @property
    def architecture(self) -> str:
        """Name of the model without the augmentation."""
        return self.trained.removesuffix(C4)

    @property
    def setting(self) -> str | None:
        """Planner setting `NAME=VALUE` that the name asks for; None for the model's own."""
        found = ENDING.search(self.model.removesuffix(TOLD))
        return f"{SETTINGS[found.group(1)]}={found.group(2)}" if found else None


@dataclass(frozen=True)
class Column:
    """Rounds that several planners play.

    Attributes:
        label: what the objects are called in the table.
        sets: object sets and folders, as `--objects` of the evaluation takes them.
        scene, protocol, view: see `sim/clutter_eval.py`.
        raw: whether depth is taken as it comes.
    """

    label: str
    sets: str
    scene: str
    protocol: str
    view: str
    raw: bool

    @property
    def name(self) -> str:
        """As `shared.compare_table.collect` reads it back."""
        depth = "raw" if self.raw else "rectified"
        return "_".join([self.label, self.scene, self.protocol, self.view, depth])


def main() -> None:
    """Everything, or a quick look at shipped weights."""
    arguments = parser().parse_args()
    if not arguments.quick:
        compare(arguments)
        return
    if arguments.record:
        raise SystemExit("--quick would replace recorded rows by one round; leave out --record")
    arguments.rounds, arguments.seeds, arguments.views = 1, 1, ["fixed"]
    arguments.protocols, arguments.objects, arguments.rectify = ["giga"], ["default"], ["on"]
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
    earlier = json.loads(recorded.read_text()) if recorded.exists() else []
    if arguments.record:
        rows = with_earlier(rows, earlier)
    text = f"{markdown(rows)}\n\nThe same rounds, side by side:\n\n{paired.markdown(rows)}"
    if shapes := reconstruction_table.recorded(arguments.result.with_name("reconstruction.json")):
        told = "Predicted shapes, as `benchmarks/reconstruction.py` recorded them"
        text += f"\n\n{told}:\n\n{reconstruction_table.markdown(shapes)}"
    print(text)
    if arguments.record:
        write_atomically(
            arguments.result.with_suffix(".md"), f"# All planners, same rounds\n\n{text}\n"
        )
        write_json(recorded, rows)
        draw_plots(rows, arguments.result.with_suffix(".png"))
    told = {name: value for name, value in shapes.items() if name != "scenes"}
    finish(arguments, {**figures(rows), **told, **headline(with_earlier(rows, earlier))})


def play(arguments: argparse.Namespace) -> None:
    """Train what is missing, then clear the rounds with every planner."""
    entries = [
        Entry.of(scene, model)
        for scene in arguments.scenes
        if getattr(arguments, scene) or arguments.quick or arguments.shipped
        for model in arguments.models
    ]
    weights: dict[Entry, Path | str] = {}
    for entry in entries:
        if entry.planner or entry.model in BASELINES:
            weights[entry] = entry.planner or entry.model
        elif (path := weights_of(entry, arguments)) is not None:
            weights[entry] = path
    if not weights:
        raise SystemExit("nothing to compare: give --packed or --pile with folders of scenes")

    def clear(scene: str) -> None:
        for column, (entry, path) in itertools.product(columns(arguments), weights.items()):
            if entry.scene == column.scene == scene:
                clear_rounds(column, entry, path, arguments)

    with ThreadPoolExecutor(2 if arguments.quick else 1) as pool:  # one round keeps one core busy
        list(pool.map(clear, SCENES))


def columns(arguments: argparse.Namespace) -> list[Column]:
    """Every column that the command line asks for, the protocols' own views first."""
    found = []
    for text in arguments.objects:
        label, _, sets = text.partition("=")
        for protocol in arguments.protocols:
            own = set(load_protocol(protocol).views)
            for view in (v for v in arguments.views if v in own):
                for scene in SCENES:
                    for rectify in arguments.rectify:
                        raw = rectify == "off"
                        found.append(Column(label, sets or label, scene, protocol, view, raw))
    return found


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "compare")
    add_precision(found)
    add = found.add_argument
    add("--packed", nargs="+", type=Path, help="folders of packed scenes to train on")
    add("--pile", nargs="+", type=Path, help="folders of pile scenes to train on")
    add("--table-only", action="store_true", help="tabulate the evaluations below --out")
    add(
        "--models",
        nargs="+",
        default=list(MODELS),
        help=f"names, with {C4} for C4 augmentation, then _hr60 (lattice) or _n4 (samples), then "
        f"{TOLD} (of its failures); "
        "or LABEL=MODULE:CLASS and 'LABEL=cmd:...' for planners of your own (docs/planners.md)",
    )
    add("--shipped", action="store_true", help="shipped weights where there are any")
    add("--epochs", type=int, default=6)
    add("--objects", nargs="+", default=["default"], help="LABEL=SETS, or the name of a set")
    add("--protocols", nargs="+", default=["giga"], help="names in configs/protocol")
    add("--scenes", nargs="+", choices=SCENES, default=SCENES, help="kinds that are played")
    add("--views", nargs="+", choices=("fixed", "random"), default=["fixed", "random"])
    add("--rectify", nargs="+", choices=("on", "off"), default=["on"], help="off: depth as it is")
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
        command = ["-m", "equigrasp.train", f"model={entry.architecture}", f"data={entry.scene}"]
        command += [f"data.dirs=[{folders}]", f"name={run.name}", f"run_dir={run}"]
        command += [f"data.sample.quarter_turns={str(entry.trained.endswith(C4)).lower()}"]
        command += [f"trainer.epochs={arguments.epochs}", f"trainer.threads={arguments.threads}"]
        command += [f"trainer.learning_rate={RATES.get(entry.architecture, RATE)}"]
        command += [f"trainer.precision={arguments.precision}"]
        call(command)
    return run


def clear_rounds(
    column: Column, entry: Entry, weights: Path | str, arguments: argparse.Namespace
) -> None:
    """Clear the rounds of a column; all planners of a column play one scene list."""
    if column.raw and not planner_class(str(weights)).reads_depth:
        return
    out = arguments.out / "evaluations" / f"{column.name}_{entry.model}"
    command = ["sim/clutter_eval.py", "--scene", column.scene, "--view", column.view]
    command += ["--protocol", column.protocol, "--objects", column.sets]
    command += ["--table-rectify", "off" if column.raw else "on", "--model", str(weights)]
    command += ["--rounds", str(arguments.rounds), "--seeds", str(arguments.seeds)]
    command += ["--workers", str(arguments.workers), "--out", str(out)]
    command += ["--set", entry.setting] if entry.setting else []
    command += ["--avoid"] if entry.model.endswith(TOLD) else []
    size = f"{arguments.seeds}x{arguments.rounds}"
    scenes = arguments.out / f"{column.label}_{column.scene}_{column.protocol}_{size}.json"
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
