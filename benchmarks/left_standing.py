"""What is missing where a round ends with things left: could they be grasped, and did a plan know?

    python benchmarks/left_standing.py [--quick] [--json results.json] [--record] [--scene pile]

Scenes of validation objects are cleared by weights as an evaluation clears them (protocol `giga`).
Where things are left, the scene is looked at once more, and three are asked: the oracle, which
tries grasps on the true shapes; `oracle_unweighed`, which does not know what they weigh; and the
planner itself, that lists poorer grasps too, of which the best eight and some of the rest are
tried.

Headline figures: `rounds`, `ended` (%, with things left), and of these, in %, `oracle` and
`unweighed` that find a grasp, `first` (the best of the new plan holds) and `eight` (one of its best
eight holds); `area`, under the curve of the scores of all that was tried there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from shared.results import command_line, finish

from equigrasp.data.files import write_atomically
from equigrasp.training.metrics import auroc
from sim.clutter.planners.model import ModelPlanner
from sim.clutter.planners.oracle import OraclePlanner
from sim.clutter.planners.oracle_unweighed import UnweighedOracle
from sim.clutter.protocol import EvalSettings
from sim.clutter.protocol_files import load_protocol
from sim.clutter.rounds import Round, clear_scene, observe
from sim.clutter.scene_lists import build_round, public_object_names
from sim.clutter.scene_view import SceneView
from sim.scene.builders import Scene
from sim.scene.kinds import find_kind, scene_kinds

BEST, REST = 8, 8
"""Grasps of a plan that are tried: the best, and as many at random of the rest."""
POOR = {"quality_threshold": 0.02, "quality_floor": 0.02}
"""Thresholds of the planner that lists poorer grasps too."""
ASKED = ("oracle", "unweighed", "first", "eight")


def main() -> None:
    """Measure, print, and write what is asked for."""
    arguments = parser().parse_args()
    model = arguments.model or f"equiigd_{find_kind(arguments.scene).trained_as}"
    rounds = arguments.rounds or (4 if arguments.quick else 120)
    settings = EvalSettings(
        model=model, objects=arguments.objects, split="val",
        **load_protocol("giga").settings(arguments.scene),
    )  # fmt: skip
    told = [row for row in endings(settings, range(rounds), arguments.seed) if row]
    numbers: dict[str, Any] = {"rounds": rounds, **summary(told, rounds)}
    about = {"model": model, "scene": arguments.scene, "split": "val", "seed": arguments.seed}
    about["objects"] = public_object_names(arguments.objects)
    text = in_words(numbers, about)
    print(text)
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), f"# Left standing\n\n{text}\n")
    finish(arguments, numbers, about)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "left_standing")
    found.add_argument("--model", help="weights (default: EquiIGD's for the scene)")
    found.add_argument("--scene", choices=tuple(scene_kinds()), default="pile")
    found.add_argument("--objects", default="limit", help="object sets and folders")
    found.add_argument("--rounds", type=int, help="default 120, quick 4")
    found.add_argument("--seed", type=int, default=777, help="of the scenes")
    return found


def endings(
    settings: EvalSettings, numbers: Iterable[int], seed: int
) -> Iterator[dict[str, Any] | None]:
    """Of each round what could be grasped where it ended; None where the table was cleared."""
    rectify = settings.table_rectify
    planner = ModelPlanner(settings.model, settings.detection, rectify)
    poor = ModelPlanner(settings.model, {**settings.detection, **POOR}, rectify)
    count = settings.num_objects
    for number in numbers:
        scene = build_round(settings.scene, settings.objects, settings.split, count, seed, number)
        played = Round(settings, Scene.from_json(scene), seed, number)
        with played.laid_out() as world:
            record = clear_scene(world, played, planner)
            if not record["left"]:
                yield None
                continue
            seen = observe(world, played, len(record["attempts"]))
            yield asked(seen, poor, np.random.default_rng([seed, number]))


def asked(seen: SceneView, poor: ModelPlanner, random: np.random.Generator) -> dict[str, Any]:
    """What oracles and a plan know of a scene, by `ASKED`; scores and outcomes of the tried."""
    grasps = poor.plan(seen).grasps
    others = BEST + random.permutation(max(0, len(grasps) - BEST))[:REST]
    tried = [grasps[i] for i in (*range(min(BEST, len(grasps))), *sorted(others.tolist()))]
    held = [seen.rehearse(grasp).success for grasp in tried]
    return {
        "oracle": bool(OraclePlanner().plan(seen).grasps),
        "unweighed": bool(UnweighedOracle().plan(seen).grasps),
        "first": any(held[:1]),
        "eight": any(held[:BEST]),
        "scores": [float(grasp.score) for grasp in tried],
        "held": held,
    }


def summary(told: list[dict[str, Any]], rounds: int) -> dict[str, float | None]:
    """The headline figures of rounds that ended with things left; None where there are none.

    Args:
        told: see `asked`.
        rounds: that were played.
    """
    scores = torch.tensor([score for row in told for score in row["scores"]])
    held = torch.tensor([hold for row in told for hold in row["held"]], dtype=torch.bool)
    shares = {
        name: 100 * float(np.mean([row[name] for row in told])) if told else None for name in ASKED
    }
    both = 0 < int(held.sum()) < len(held)
    area = auroc(scores, held) if both else None
    return {"ended": 100 * len(told) / rounds, **shares, "tried": len(scores), "area": area}


def in_words(numbers: dict[str, Any], about: dict[str, Any]) -> str:
    """The figures for a person."""
    begin = (
        f"{about['model']}, {numbers['rounds']} rounds ({about['scene']}) of {about['objects']}, "
        f"validation: {numbers['ended']:.0f} % end with things left."
    )
    if not numbers["ended"]:
        return begin
    text = (
        f"{begin} In these the oracle finds a grasp in {numbers['oracle']:.0f} %, without weights "
        f"in {numbers['unweighed']:.0f} %; the best of a new plan holds in {numbers['first']:.0f} "
        f"%, one of its best {BEST} in {numbers['eight']:.0f} %."
    )
    if numbers["area"] is None:
        return text
    return (
        f"{text} Area under the curve of the scores of {numbers['tried']} grasps tried there: "
        f"{numbers['area']:.2f}."
    )


if __name__ == "__main__":
    main()
