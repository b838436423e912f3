"""PyBullet and MuJoCo on the same scenes: labels, speed, and the shipped weights in both.

    python benchmarks/simulators.py [--quick] [--json FILE] [--record] [--parts labels speed]

- labels: scenes built in either, the same grasps labelled in both: how many yaws end equally, and
  of those that hold in one, how many hold in the other.
- speed: steps per processor second with 5 and 10 objects, falling and lying; grasp points labelled
  per processor second.
- clutter: rounds of validation objects, built in PyBullet and cleared in both by the shipped
  weights, which learned from PyBullet's labels. Rounds that are done are kept in --out.

With --record the parts that ran replace theirs in the recorded results; so a run can be short.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from shared.results import command_line, load, machine

from data_gen.settings import DataDesign, SceneSettings
from equigrasp.data.files import read_json, write_atomically, write_json
from sim.clutter.default_model import default_model
from sim.clutter.fingerprint import fingerprint
from sim.clutter.planners import planner_class
from sim.clutter.protocol import EvalSettings
from sim.clutter.run import run_evaluation
from sim.clutter.scene_lists import build_scene_list
from sim.scene.choice import SIMULATORS
from sim.scene.kinds import find_kind
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

KINDS = ("packed", "pile")
ENDS = ("", "_low", "_high")
"""Of the names of a rate and of the ends of its interval."""
PARTS = ("labels", "speed", "clutter")
SPLIT = "val"
STEPS = 240
"""Per scene and state."""
STATES = ("falling", "lying")
COUNTS = (5, 10)
"""Objects in a scene whose steps are counted."""


def measured(
    function: str,
    kinds: Iterable[str],
    settings: SceneSettings,
    scenes: int,
    seed: int,
    **more: Any,
) -> dict[str, Counter[str]]:
    """Sums over scenes, by kind, of what a worker function of `shared.two_simulators` counts.

    Args:
        more: arguments of that function.

    Raises:
        RuntimeError: if a scene fails.
    """
    sums: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}

    def add(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            raise RuntimeError(f"scene {result.key} failed: {result.message}")
        for name, value in result.value.items():
            each = value if isinstance(value, Mapping) else {"": value}
            for key, count in each.items():
                sums[result.key[0]][f"{name} {key}".strip()] += count

    jobs = [
        Job((kind, i), {"design": DataDesign(find_kind(kind), seed, settings), "index": i, **more})
        for i in range(scenes)
        for kind in kinds
    ]
    name = f"shared.two_simulators:{function}"
    run_jobs(name, jobs, workers=1, timeout_s=900, on_result=add)
    return sums


def label_figures(sums: Mapping[str, float]) -> dict[str, Any]:
    """Shares, and points per processor second, of sums of `label_in_both`."""
    first, second = SIMULATORS
    shares = {
        "yaws": sums["yaws"],
        "equal": sums["equal"] / max(sums["yaws"], 1),
        f"good_{first}": sums["good_first"],
        f"good_{second}": sums["good_second"],
        f"{first}_good_holds_in_{second}": sums["good_both"] / max(sums["good_first"], 1),
        f"{second}_good_holds_in_{first}": sums["good_both"] / max(sums["good_second"], 1),
    }
    for name in SIMULATORS:
        shares[f"points_per_second_{name}"] = sums["points"] / sums[f"seconds_{name}"]
    return shares


def labels_part(options: argparse.Namespace) -> dict[str, Any]:
    """Agreement of labels, by kind and by who built the scenes."""
    found: dict[str, Any] = {}
    for builder in SIMULATORS:
        settings = SceneSettings(
            grasps_per_scene=options.points, split=SPLIT, simulator=builder, margin_pairs=0
        )
        sums = measured("label_in_both", KINDS, settings, options.scenes, options.seed)
        for kind, each in sums.items():
            values = label_figures(each)
            found |= {f"labels_{kind}_built_in_{builder}_{k}": v for k, v in values.items()}
            apart = {k.split()[1]: v for k, v in each.items() if k.startswith("differences ")}
            listed = ", ".join(f"{k} {v}" for k, v in sorted(apart.items(), key=lambda x: -x[1]))
            print(f"{kind}, built in {builder}: outcomes that differ: {listed or 'none'}")
    return found


def speed_part(options: argparse.Namespace) -> dict[str, Any]:
    """Steps per processor second, by number of objects."""
    found: dict[str, Any] = {}
    for count in COUNTS:
        settings = SceneSettings(split=SPLIT, num_objects=count)
        sums = measured(
            "count_steps", ("pile",), settings, options.scenes, options.seed, steps=STEPS
        )["pile"]
        for state, name in product(STATES, SIMULATORS):
            rate = STEPS * options.scenes / sums[f"{state}_{name}"]
            found[f"steps_per_second_{count}_{state}_{name}"] = rate
    return found


def clutter_part(options: argparse.Namespace) -> dict[str, Any]:
    """Success and declutter rates of the shipped weights on the same scenes."""
    found: dict[str, Any] = {}
    for kind in options.kinds:
        model = default_model(kind)
        hand = planner_class(model).hand_for(model)
        common = {"scene": kind, "model": model, "split": SPLIT, "hand": hand.to_dict()}
        common["fingerprint"] = fingerprint(model, kind)
        scenes = build_scene_list(
            EvalSettings(**common), [(0, i) for i in range(options.rounds)], workers=1
        )
        for name in SIMULATORS:
            settings = EvalSettings(**common, simulator=name)
            out = options.out / f"{kind}_{name}"
            summary = run_evaluation(settings, scenes, out, hand=hand, workers=1)
            for rate in ("gsr", "dr"):
                values = (summary[rate]["mean"], *summary[rate]["interval"])
                row = f"{rate}_{kind}_{name}"
                found |= {row + end: value for end, value in zip(ENDS, values, strict=True)}
            found[f"rounds_{kind}_{name}"] = summary["rounds"]
            found[f"attempts_{kind}_{name}"] = summary["attempts"]
            print(f"{kind} {name}: failures {summary['failures']}, ended {summary['ends']}")
    return found


def table(numbers: Mapping[str, float]) -> str:
    """The results as Markdown, as far as they were measured."""
    blocks = (_label_rows(numbers), _step_rows(numbers), _clutter_rows(numbers))
    return "\n\n".join("\n".join(rows) for rows in blocks if len(rows) > 2) + "\n"


def _label_rows(numbers: Mapping[str, float]) -> list[str]:
    rows = [
        "| scenes | built in | yaws | equal outcome | good in PyBullet, hold in MuJoCo "
        "| good in MuJoCo, hold in PyBullet | points per second, PyBullet | MuJoCo |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, builder in product(KINDS, SIMULATORS):
        row = f"labels_{kind}_built_in_{builder}_"
        n = {k.removeprefix(row): v for k, v in numbers.items() if k.startswith(row)}
        if n:
            rows.append(
                f"| {kind} | {builder} | {n['yaws']:.0f} | {n['equal']:.1%} "
                f"| {n['pybullet_good_holds_in_mujoco']:.1%} of {n['good_pybullet']:.0f} "
                f"| {n['mujoco_good_holds_in_pybullet']:.1%} of {n['good_mujoco']:.0f} "
                f"| {n['points_per_second_pybullet']:.0f} | {n['points_per_second_mujoco']:.0f} |"
            )
    return rows


def _step_rows(numbers: Mapping[str, float]) -> list[str]:
    rows = ["| steps per processor second | PyBullet | MuJoCo |", "|---|---|---|"]
    for count, state in product(COUNTS, STATES):
        row = f"steps_per_second_{count}_{state}_"
        if f"{row}mujoco" in numbers:
            values = " | ".join(f"{numbers[row + name]:.0f}" for name in SIMULATORS)
            rows.append(f"| {count} objects, {state} | {values} |")
    return rows


def _clutter_rows(numbers: Mapping[str, float]) -> list[str]:
    rows = ["| GSR / DR | rounds | PyBullet | MuJoCo |", "|---|---|---|---|"]
    for kind in KINDS:
        if f"gsr_{kind}_mujoco" in numbers:
            cells = " | ".join(_rates(numbers, kind, name) for name in SIMULATORS)
            rows.append(f"| {kind} | {numbers[f'rounds_{kind}_mujoco']:.0f} | {cells} |")
    return rows


def _rates(numbers: Mapping[str, float], kind: str, name: str) -> str:
    """GSR and DR with their intervals, percent."""
    found = ([numbers[f"{rate}_{kind}_{name}{end}"] for end in ENDS] for rate in ("gsr", "dr"))
    return " / ".join(
        "-" if None in each else "{:.1f} ({:.0f} to {:.0f})".format(*each) for each in found
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; --quick takes fewer of all."""
    parser = command_line(__doc__, "simulators")
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of clutter rounds")
    add("--scenes", type=int, default=20, help="per kind, for labels and steps")
    add("--points", type=int, default=30, help="grasp points per scene")
    add("--rounds", type=int, default=20, help="of clutter, per kind")
    add("--seed", type=int, default=2000)
    add("--out", type=Path, default=Path("outputs/simulators"), help="rounds that were played")
    options = parser.parse_args(arguments)
    if options.quick:
        options.scenes, options.points, options.rounds = 2, 8, 1
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write files if asked."""
    options = parse(arguments)
    part = {"labels": labels_part, "speed": speed_part, "clutter": clutter_part}
    numbers: dict[str, Any] = {}
    for name in options.parts:
        numbers |= part[name](options)
    print(f"\n{table(numbers)}")
    print(", ".join(f"{k} {v}" for k, v in {**machine(), "load": load()}.items()))
    if options.json:
        write_json(options.json, numbers)
    if options.record:
        record(options.result, numbers, options.parts)
    return 0


def record(path: Path, numbers: Mapping[str, Any], parts: Iterable[str]) -> None:
    """Write the numbers over those of before, and the table of all of them beside them."""
    before = read_json(path) if path.exists() else {"machine": {}, "numbers": {}}
    loads = before["machine"].get("load", {}) | dict.fromkeys(parts, load())
    everything = {**before["numbers"], **numbers}
    about = {**machine(), "load": loads}
    write_json(path, {"machine": about, "numbers": everything})
    told = ", ".join(f"{k} {v}" for k, v in machine().items())
    busy = ", ".join(f"{k} {v}" for k, v in loads.items())
    text = f"# Simulators\n\n{told}; processes that wanted a core meanwhile: {busy}.\n\n"
    write_atomically(path.with_suffix(".md"), text + table(everything))


if __name__ == "__main__":
    raise SystemExit(main())
