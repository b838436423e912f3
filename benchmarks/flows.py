"""Ways from noise to a rotation: SO(3) flow, Euclidean flow and diffusion at 1, 2, 4 and 10 steps.

    python benchmarks/flows.py --data data/packed --scene packed --record
    python benchmarks/flows.py --quick                    # made-up scenes, tiny models

EquiIGD is trained with each of them on the same grasps for as many steps, with several seeds, and
judged at held-out grasp points as in `sampling.py`: angle from one sampled rotation to the nearest
yaw that succeeded, share within 15 degrees, and the share of the ways to hold simple bodies that is
found. Finished trainings and measurements are kept in --out, so the same command goes on where it
was stopped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from pathlib import Path

from sample_efficiency import (
    Run,
    add_run_options,
    call,
    studied,
    training_options,
    training_scenes,
)
from sampling import STEPS, measure
from shared.arms import TINY
from shared.modes import mode_coverage
from shared.results import command_line, finish

from equigrasp.data.files import write_json
from equigrasp.weights import load_model
from sim.scene.kinds import scene_kinds

FLOWS = {"so3": "equiigd", "euclidean": "euclidean", "diffusion": "diffusion"}
"""Arms of `shared/arms.py` by flow."""
SMALL = ["model.fields=2", "model.hidden_fields=4", "model.head_blocks=1", "model.flow_fields=2"]
TINY.update(dict.fromkeys(FLOWS.values(), SMALL))


def main() -> None:
    """Train and measure what is missing, print means over seeds."""
    studied(study, parser().parse_args(), {"steps": 1, "seeds": 1, "scenes": 1})


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "flows")
    add_run_options(found)
    add = found.add_argument
    add("--scene", choices=tuple(scene_kinds()), default="packed")
    add("--flows", nargs="+", choices=sorted(FLOWS), default=list(FLOWS))
    add("--steps", type=int, default=5000)
    add("--scenes", type=int, default=60, help="held-out scenes to judge by")
    add("--out", type=Path, default=Path("outputs/flows"))
    return found


def study(arguments: argparse.Namespace) -> None:
    """All flows and seeds, and their means."""
    scenes = training_scenes(arguments)
    found: dict[str, list[dict[str, float]]] = {}
    for seed, flow in itertools.product(range(arguments.seeds), arguments.flows):
        run = Run(arguments.scene, FLOWS[flow], scenes, seed)
        found.setdefault(flow, []).append(measured(run, arguments))
    numbers = {
        f"{flow}_{name}": statistics.fmean(each[name] for each in runs)
        for flow, runs in found.items()
        for name in runs[0]
    }
    facts = {"steps": arguments.steps, "training_scenes": scenes, "seeds": arguments.seeds}
    finish(arguments, numbers, facts)


def measured(run: Run, arguments: argparse.Namespace) -> dict[str, float]:
    """Figures of one training, made unless they are known."""
    folder = arguments.out / run.name(arguments.steps)
    result = folder / f"flows_{arguments.scenes}.json"
    if result.exists():
        return json.loads(result.read_text())
    if not (folder / "model.json").exists():
        call(["-m", "equigrasp.train", *training_options(run, folder, arguments)])
    model = load_model(folder)
    numbers: dict[str, float] = {}
    for steps in STEPS:  # first, so that times below hold nothing of a first use
        model.steps = steps
        covered = mode_coverage(model)
        numbers |= {f"{name}_k{steps}": value for name, value in covered.items()}
    numbers |= measure(model, arguments.data, "val", arguments.scenes)
    wanted = ("judge", "chosen", "ball", "post", "slat", "us_per_point")
    kept = {
        name: value
        for name, value in numbers.items()
        if name.startswith(wanted) and ("_n" not in name or name.endswith("_n1"))
    }
    write_json(result, kept)
    return kept


if __name__ == "__main__":
    main()
