"""What every choice of planning costs and brings, on objects that nothing was trained on.

    python benchmarks/planning_choices.py [--models equiigd_pile ...] [--record] [--quick]

A choice changes one thing in how a model's field becomes a list of grasps: peaks that climb, hands
moved to the middle of what is seen between the pads, looks at surface and unseen space, more
rotations, a finer lattice, another depth or opening, the quality averaged over two looks at the
scene. Every choice clears the same rounds of validation objects (protocol `giga`, fixed view) and
is compared with the default round by round; scores are those of the shipped calibration. What it
costs is measured on made-up clutter, the choices taking turns over the images (one thread).

Finished rounds are kept in --out, so that the same command goes on where it was stopped, and
--table-only tabulates what is there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from planning import noisy_images, plan_milliseconds
from shared.ensembles import Averaged, Look, Turned, mirrored, yawed
from shared.paired import difference, outcomes
from shared.results import command_line, finish

from equigrasp.data.files import write_atomically
from sim.clutter.fingerprint import fingerprint
from sim.clutter.metrics import summarise
from sim.clutter.planners.model import ModelPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.protocol_files import load_protocol
from sim.clutter.rounds import Round, clear_scene
from sim.clutter.run import agree, read_rounds
from sim.clutter.scene_lists import Key, build_scene_list, public_object_names
from sim.scene.builders import Scene
from sim.scene.kinds import scene_kinds

CHOICES: dict[str, dict[str, Any]] = {
    "default": {},
    "climb": {"refine_steps": 4},
    "centre": {"centre": True},
    "climb_centre": {"refine_steps": 4, "centre": True},
    "clearance": {"clearance": 0.0},
    "careful": {"unseen": "careful"},
    "predicted": {"unseen": "predicted"},
    "samples_16": {"num_samples": 16},
    "lattice_60": {"lattice": 60},
    "advance_10": {"advance": 0.01},
    "advance_30": {"advance": 0.03},
    "advance_40": {"advance": 0.04},
    "width_70": {"width_max": 0.07},
}
"""Names to overrides of `DetectionConfig`."""
LOOKS: dict[str, Look] = {"mirror": mirrored(), "yaw_6": yawed(6.0)}
"""Second looks at the scene, with which the quality is averaged."""
TURNS = {"turned_10": 10.0, "turned_20": 20.0}
"""Degrees: a judge chooses among hands that are turned so far about their axes."""
MARGIN = 0.3
"""In logits, by which another hand has to be better than the model's own."""
MODELS = ("equiigd_packed", "equiigd_pile", "equigiga_packed", "equigiga_pile")
QUICK = ("default", "climb", "mirror")


def main() -> None:
    """Play what is missing, time, tabulate."""
    arguments = parser().parse_args()
    torch.set_num_threads(1)
    rounds = arguments.rounds or (1 if arguments.quick else 120)
    images = noisy_images(arguments.images or (2 if arguments.quick else 40))
    known = [*CHOICES, *LOOKS, *TURNS]
    names = list(dict.fromkeys(["default", *(arguments.choices or known)]))
    names = list(QUICK) if arguments.quick and not arguments.choices else names
    rows: list[dict[str, Any]] = []
    for model in arguments.models[:1] if arguments.quick else arguments.models:
        logs = {name: arguments.out / f"{model}_{name}" / "rounds.jsonl" for name in names}
        played = {name: log for name, log in logs.items() if log.exists()}
        if not arguments.table_only:
            played = play(model, logs, rounds, arguments)
        spent = milliseconds(model, list(played), images)
        rows += [row(model, name, played, spent) for name in played]
    text = markdown(rows, arguments.objects)
    print(text)
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), f"# Choices of planning\n\n{text}\n")
    numbers = {
        f"{each['model']}_{each['choice']}_{name}": each[name]
        for each in rows
        for name in ("ms", "gsr", "dr", "gsr_ahead", "dr_ahead")
    }
    finish(arguments, numbers, {"images": len(images), "split": "val"})


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "planning_choices")
    add = found.add_argument
    add("--models", nargs="+", default=list(MODELS), help="shipped weights, named after a scene")
    add("--choices", nargs="+", choices=[*CHOICES, *LOOKS, *TURNS], help="default: all")
    add("--objects", default="limit", help="object sets and folders; validation objects of them")
    add("--rounds", type=int, help="default 120, quick 1")
    add("--images", type=int, help="that are timed (default 40, quick 2)")
    add("--seed", type=int, default=778, help="of the scenes")
    add("--table-only", action="store_true", help="tabulate what was played")
    add("--out", type=Path, default=Path("outputs/planning_choices"))
    return found


def play(
    model: str, logs: dict[str, Path], rounds: int, arguments: argparse.Namespace
) -> dict[str, Path]:
    """Logs of the rounds of every choice; choices that change nothing for a model are left out."""
    scene = next(kind for kind in scene_kinds() if model.endswith(kind))
    found, scenes = {}, None
    for name, log in logs.items():
        settings = EvalSettings(
            model=model, objects=arguments.objects, split="val",
            fingerprint=fingerprint(model, scene), **load_protocol("giga").settings(scene),
        )  # fmt: skip
        settings.detection.update(CHOICES.get(name, {}))
        planner = planner_of(model, name, settings)
        if planner is None:
            continue
        keys = [(arguments.seed, index) for index in range(rounds)]
        scenes = scenes or build_scene_list(settings, keys, workers=1)
        log.parent.mkdir(parents=True, exist_ok=True)
        agree({**settings.to_dict(), "choice": name}, log.parent)
        found[name] = play_rounds(settings, planner, scenes, log)
        print(f"{model}, {name}: {rounds} rounds", flush=True)
    return found


def planner_of(model: str, name: str, settings: EvalSettings) -> ModelPlanner | None:
    """The planner of a choice; None where the model takes no notice of it."""
    planner = ModelPlanner(model, settings.detection, settings.table_rectify)
    grasping = planner.planner
    draws = grasping.model.samples_rotations
    if ("num_samples" in CHOICES.get(name, {}) and not draws) or (name in TURNS and draws):
        return None
    if name in LOOKS:
        grasping.model = Averaged(grasping.model, LOOKS[name])
    if name in TURNS:
        grasping.model = Turned(grasping.model, TURNS[name], MARGIN)
    return planner


def play_rounds(
    settings: EvalSettings, planner: ModelPlanner, scenes: Mapping[Key, Scene], log: Path
) -> Path:
    """Play the rounds that a log lacks."""
    done = {record["round"] for record in read_rounds(log)}
    with open(log, "a", encoding="utf-8") as stream:
        for (seed, index), scene in scenes.items():
            if index in done:
                continue
            played = Round(settings, scene, seed, index)
            with played.laid_out() as world:
                begin = time.perf_counter()
                record = clear_scene(world, played, planner)
            more = {"seed": seed, "round": index, "seconds": time.perf_counter() - begin}
            stream.write(json.dumps({**record, **more}) + "\n")
            stream.flush()
    return log


def milliseconds(model: str, names: list[str], images: list[np.ndarray]) -> dict[str, float]:
    """Median milliseconds of a plan by choice, the choices taking turns."""
    planners = {}
    for name in names:
        settings = EvalSettings(model=model, detection=CHOICES.get(name, {}))
        planner = planner_of(model, name, settings)
        if planner is not None:
            planners[name] = planner.planner
    return plan_milliseconds(planners, images)


def row(model: str, name: str, played: dict[str, Path], spent: dict[str, float]) -> dict[str, Any]:
    """Figures of a choice: rates, how far ahead of the default, milliseconds."""
    records = read_rounds(played[name])
    summary = summarise(records)
    found = {
        "model": model,
        "choice": name,
        "ms": spent[name],
        "gsr": summary["gsr"]["pooled"],
        "dr": summary["dr"]["pooled"],
        "rounds": summary["rounds"],
        "attempts": summary["attempts"],
    }
    ahead = difference(outcomes(played[name]), outcomes(played["default"]))
    for rate in ("gsr", "dr"):
        points = ahead and ahead[rate]
        found[f"{rate}_interval"] = points
        found[f"{rate}_ahead"] = points[0] if points else None
    return found


def markdown(rows: list[dict[str, Any]], objects: str) -> str:
    """A line per choice, under those of its model's default."""
    lines = [
        "| model | choice | ms | rounds | GSR | DR | attempts | GSR ahead (95 %) "
        "| DR ahead (95 %) |",
        "|---" * 9 + "|",
    ]
    for each in rows:
        cells = [each["model"], each["choice"], f"{each['ms']:.0f}", str(each["rounds"])]
        cells += [shown(each["gsr"]), shown(each["dr"]), str(each["attempts"])]
        cells += [interval(each, rate) for rate in ("gsr", "dr")]
        lines.append(f"| {' | '.join(cells)} |")
    told = ", ".join(
        f"`{name}` ({', '.join(f'{key}={value}' for key, value in values.items())})"
        for name, values in CHOICES.items()
        if values
    )
    return "\n".join(lines) + (
        f"\n\nValidation objects of {public_object_names(objects)}, protocol `giga`, fixed view, "
        f"the same rounds for every choice; points ahead of the default over them. {told}; "
        "`mirror`, `yaw_6`: quality averaged with that of the mirrored scene, of the scene turned "
        "by 6 degrees; `turned_10`, `turned_20`: EquiGIGA's judge chooses among its hand and six "
        f"that are turned so far about their axes ({MARGIN} logits better)."
    )


def shown(rate: float | None) -> str:
    """A rate in percent."""
    return "-" if rate is None else f"{rate:.1f}"


def interval(each: dict[str, Any], rate: str) -> str:
    """How far ahead of the default, with its interval."""
    points = each[f"{rate}_interval"]
    if each["choice"] == "default" or not points:
        return "-"
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*points)


if __name__ == "__main__":
    main()
