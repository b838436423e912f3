"""The command line of every kind of scene: options, progress, report."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.announcement import SCENES, announcement, scenes_wanted
from data_gen.data_set import GenerationError, Progress, Resources, generate_data_set
from data_gen.settings import LABELLERS, STAGES, VIEWS, DataDesign, SceneSettings
from equigrasp.data.endings import ending
from equigrasp.data.files import ArrayFileError, read_arrays
from equigrasp.hand import PANDA, load_hand
from equigrasp.progress import counted, duration
from equigrasp.sizes import HELP
from sim.objects.spec import SPLITS
from sim.scene.choice import SIMULATOR_HELP, SIMULATORS, choose
from sim.scene.kind import SceneKind
from sim.scene.physics import AS_FOUND, DRAWN, OWN
from sim.workers.jobs import WorkerError
from sim.workers.run import ENGINES

PHYSICS = {"as_found": AS_FOUND, "drawn": DRAWN, "own": OWN}
PHYSICS_HELP = (
    "as_found: objects of our own sets from half to twice their density and with less grip, "
    "published ones as published; drawn: all from half to three times their mass and with less "
    "grip; own: all as their files say"
)
SCENES_HELP = (
    f"number of scenes; more extend a data set (without it: {SCENES}, or as many as "
    "the data set that is there was begun with)"
)
QUIET_SECONDS = 10.0
"""Time between two lines of progress where the output is not a terminal."""


def main(kind: SceneKind, arguments: list[str] | None = None) -> int:
    """Run the generator for one kind of scene; the exit status."""
    options = vars(build_parser(kind).parse_args(arguments))
    # The line break is for what the progress line left.
    return ending(lambda: _run(kind, options), GenerationError, WorkerError, begin="\nerror")


def _run(kind: SceneKind, options: dict[str, Any]) -> int:
    display = ProgressLine()
    design = read_design(kind, options)
    scenes = scenes_wanted(options["out"], options["scenes"])
    if scenes > 0:  # else refused below
        print(announcement(kind, options, scenes), file=sys.stderr, flush=True)
    resources = Resources(
        options["workers"], options["timeout"], options["engine"], options["retry_failed"]
    )
    progress = generate_data_set(options["out"], design, scenes, resources, display.update)
    display.close()
    print(report(options["out"], progress))
    return 1 if count_data_set(options["out"]).unreadable else 0


def build_parser(kind: SceneKind) -> argparse.ArgumentParser:
    """The options; defaults of scene settings come from `SceneSettings`."""
    s = SceneSettings()
    parser = argparse.ArgumentParser(
        description=f"Make a data set of {kind.name} scenes: {kind.description}.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog=f"example: python -m data_gen {kind.name} --scenes 1000; interrupted at any moment, "
        f"the same command goes on and ends with the same files. {HELP}",
    )
    add = parser.add_argument
    add("--scenes", type=int, help=SCENES_HELP)
    add("--out", type=Path, default=Path("data") / kind.name, help="folder of the data set")
    add("--seed", type=int, default=0, help="scene i is drawn from (seed, i)")
    add("--grasps-per-scene", type=int, default=s.grasps_per_scene, help="grasp points per scene")
    add("--objects", default=s.objects, help="object sets and folders, separated by commas")
    add("--split", choices=SPLITS, default=s.split, help="part of the objects")
    add("--num-objects", type=int, help="objects per scene; by default Poisson(4) + 1")
    add("--view", choices=VIEWS, default=s.view, help="depth images stored per scene")
    add("--random-views", type=int, default=s.random_views, help="random views per scene")
    add("--labeller", choices=LABELLERS, default=s.labeller, help="full or shortened trials")
    add("--audit", type=float, default=s.audit, help="share of rejected yaws simulated anyway")
    add("--margin-pairs", type=int, default=s.margin_pairs, help="of trials around a success")
    add("--simulator", choices=SIMULATORS, help=SIMULATOR_HELP)
    add("--physics", choices=PHYSICS, default="as_found", help=PHYSICS_HELP)
    add("--antipodal", type=float, default=s.antipodal, help="share of antipodal grasp points")
    add("--proposer", default="", help="weights whose plans are labelled as well")
    add("--planned", type=float, help="share of their grasps (default: 0.5 with --proposer)")
    add("--occupancy-points", type=int, default=s.occupancy_points, help="per scene")
    add("--hand", default=PANDA.name, help="name in configs/hand, or a YAML file")
    add("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    add("--timeout", type=float, default=300.0, help="longest time for a scene, in seconds")
    add("--engine", choices=ENGINES, default="local", help="where workers run")
    add("--retry-failed", action="store_true", help="try crashed and timed-out scenes again")
    return parser


def read_design(kind: SceneKind, options: dict[str, Any]) -> DataDesign:
    """What the options say of the scenes.

    Raises:
        ValueError: for a setting out of range, or an unknown hand.
        ImportError: no simulator is installed, or not the one that is asked for.
    """
    names = {f.name for f in fields(SceneSettings)}
    choice = choose(options["simulator"], options["objects"], kind.objects)
    if choice.line:
        print(choice.line, file=sys.stderr)
    chosen = {"simulator": choice.simulator, "objects": choice.objects}
    physics = {"physics": PHYSICS[options["physics"]]}
    options = {**options, **chosen, **physics, **_proposer(options)}
    settings = SceneSettings(**{k: v for k, v in options.items() if k in names})
    return DataDesign(kind, options["seed"], settings, load_hand(options["hand"]))


def _proposer(options: dict[str, Any]) -> dict[str, Any]:
    """Settings of the model whose plans are labelled."""
    model, share = options["proposer"], options["planned"]
    if not model:
        return {"planned": share or 0.0}
    from data_gen.planned import weights_digest

    share = 0.5 if share is None else share
    return {"planned": share, "proposer_digest": weights_digest(model)}


class ProgressLine:
    """One line that is rewritten on a terminal, and repeated now and then elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = 0.0

    def update(self, progress: Progress) -> None:
        """Show how far the run is, how fast, and when it will be done."""
        now = time.monotonic()
        if progress.done == 0:
            for path, reason in progress.skipped_objects:
                print(f"skipped object '{path}': it {reason}", file=sys.stderr)
        if now < self._next and progress.done < progress.total:
            return
        self._next = now + (0.2 if self._terminal else QUIET_SECONDS)
        print(
            describe_progress(progress, now - progress.started),
            end="\033[K\r" if self._terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def close(self) -> None:
        """Leave the line as it stands."""
        if self._terminal:
            print(file=sys.stderr)


def describe_progress(progress: Progress, seconds: float) -> str:
    """Done, failed, rate and time left, in one line."""
    line = f"{progress.done}/{progress.total} scenes"
    if progress.failed:
        line += f", {sum(progress.failed.values())} failed"
    if progress.done and seconds > 0:
        rate = progress.done / seconds
        left = (progress.total - progress.done) / rate
        line += f", {rate * 60:.0f} scenes/min, {duration(left)} left"
    return line


@dataclass(frozen=True)
class Totals:
    """What a data set holds. Audited yaws were rejected by geometry and simulated all the same."""

    scenes: int
    points: int
    positive_points: int
    yaws: int
    positive_yaws: int
    audited: int
    audited_positive: int
    unreadable: int = 0


def count_data_set(directory: str | Path) -> Totals:
    """Count scenes, grasp points and successes from the files of a data set."""
    sums = np.zeros(6, dtype=np.int64)
    paths, unreadable = sorted((Path(directory) / "scenes").glob("*.npz")), 0
    for path in counted(paths, "scene files counted", len(paths)):
        try:
            arrays = read_arrays(path, ["yaw_success", "yaw_audited"])
        except ArrayFileError:
            unreadable += 1
            continue
        success, audited = arrays["yaw_success"], arrays["yaw_audited"]
        sums += (
            len(success),
            success.any(axis=1).sum(),
            success.size,
            success.sum(),
            audited.sum(),
            (audited & success).sum(),
        )
    return Totals(len(paths) - unreadable, *sums.tolist(), unreadable)


def report(directory: str | Path, progress: Progress) -> str:
    """What the data set holds, and what this run's scenes cost."""
    t = count_data_set(directory)
    failed = sorted((Path(directory) / "failed").glob("*.json"))
    lines = [
        f"{directory}: {t.scenes} scenes, {t.points} grasp points, {len(failed)} failed scenes",
        f"  positive: {_share(t.positive_points, t.points)} of points, "
        f"{_share(t.positive_yaws, t.yaws)} of yaws",
    ]
    if t.unreadable:
        lines.append(
            f"  {t.unreadable} scene files cannot be read: `python -m equigrasp.data.verify "
            f"{directory} --repair` removes them, and then this command makes them again"
        )
    if t.audited:
        lines.append(
            f"  audit: {t.audited_positive} of {t.audited} rejected yaws succeeded when simulated"
        )
    if failed:
        lines.append(f"  reasons for failure: {directory}/failed, tracebacks: {directory}/logs")
    if progress.done:
        per_scene = {stage: progress.stages[stage] / progress.done for stage in STAGES}
        parts = ", ".join(f"{stage} {seconds:.3f}" for stage, seconds in per_scene.items())
        lines.append(f"  core-seconds per scene: {sum(per_scene.values()):.3f} ({parts})")
        elapsed = time.monotonic() - progress.started
        lines.append(f"  this run: {progress.done} scenes in {duration(elapsed)}")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
