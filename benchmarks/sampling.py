"""How many integration steps and how many samples a rotation takes: error, choice and time.

    python benchmarks/sampling.py --model runs/mine --data data/packed [--record]
    python benchmarks/sampling.py --quick                     # shipped weights, scenes made here

At held-out grasp points where some yaw succeeds, a sampling model (EquiIGD, IGD) takes N rotations
in K integration steps and keeps the most confident. Printed per K and N: the angle to the nearest
successful yaw, the share within 15 degrees, and the same for the sample nearest to the truth (what
a perfect judge would reach). Also how well the judge tells successful yaws from failed ones, and
how many of the ways to grasp a ball, a post and a slat are found (`shared/modes.py`).
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from shared.modes import mode_coverage
from shared.results import command_line, finish
from torch import Tensor

from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.items import SampleSettings
from equigrasp.diffusion.batch import repeat_conditions
from equigrasp.models.sampling import SamplingModel
from equigrasp.training.metrics import average_precision, rotation_error
from equigrasp.weights import load_model

STEPS, SAMPLES = (1, 2, 4, 10), (1, 4, 16)
CLOSE = 15.0
"""Degrees within which a rotation counts as found."""


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = command_line(__doc__, "sampling")
    parser.add_argument("--model", default="equiigd_packed", help="shipped name or saved model")
    parser.add_argument("--data", nargs="+", type=Path, help="data sets; held-out scenes are used")
    parser.add_argument("--scenes", type=int, default=60)
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    if not isinstance(model, SamplingModel):
        raise SystemExit(f"{arguments.model} samples no rotations; give an EquiIGD or IGD")
    if arguments.data:
        numbers = measure(model, arguments.data, "val", arguments.scenes)
    else:
        with tempfile.TemporaryDirectory() as folder:
            numbers = measure(model, [made_here(Path(folder))], "all", 6)
    for steps in STEPS:
        model.steps = steps
        found = mode_coverage(model)
        numbers |= {f"{name}_k{steps}": value for name, value in found.items()}
    finish(arguments, numbers, {"model": Path(arguments.model).name})


def made_here(folder: Path) -> Path:
    """A few packed scenes of default objects."""
    command = [sys.executable, "data_gen/packed.py", "--scenes", "6", "--seed", "99"]
    command += ["--grasps-per-scene", "40", "--out", str(folder / "packed"), "--workers", "2"]
    root = Path(__file__).parents[1]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    return folder / "packed"


@torch.no_grad()
def measure(model: Any, folders: list[Path], split: str, scenes: int) -> dict[str, float]:
    """Errors, choice and time over the scenes of a split."""
    settings = SampleSettings(
        view="fixed",
        mirrors=False,
        queries=200,
        positive_share=None,
        free_share=0.0,
        resolution=model.resolution,
        encoding=model.encoding,
        query_setback=model.query_setback,
    )
    data = GraspSceneDataset(folders, split, settings, max_scenes=scenes)
    items = [data[index] for index in range(len(data))]
    cases = [(model.encode(item["tsdf"][None]), item) for item in items]
    numbers: dict[str, float] = {"scenes": len(items)}
    numbers |= judge_quality(model, cases)
    for steps, count in itertools.product(STEPS, SAMPLES):
        model.steps = steps
        chosen, nearest, seconds, points = [], [], 0.0, 0
        for index, (features, item) in enumerate(cases):
            good = item["yaw_success"].any(-1) & item["mask"]
            if not good.any():
                continue
            where = item["points"][good][None]
            generator = torch.Generator().manual_seed(index)
            noise = model.prior((1, where.shape[1], count), generator)
            start = time.process_time()
            read = model.reader(features)
            seen = model.attend(read, where)
            rotations = model.sample_rotations(seen, noise, generator)
            confidence, _ = model.judgement(read, seen, where, rotations)
            seconds += time.process_time() - start
            points += where.shape[1]
            errors = errors_of(rotations[0], item, good)
            best = confidence[0].argmax(-1, keepdim=True)
            chosen.append(errors.gather(1, best).squeeze(1))
            nearest.append(errors.amin(1))
        name = f"k{steps}_n{count}"
        for label, values in (("chosen", chosen), ("nearest", nearest)):
            angles = torch.cat(values)
            numbers[f"{label}_deg_{name}"] = float(angles.mean())
            numbers[f"{label}_close_{name}"] = float((angles < CLOSE).float().mean())
        numbers[f"us_per_point_{name}"] = 1e6 * seconds / points
    return numbers


def errors_of(rotations: Tensor, item: dict[str, Tensor], good: Tensor) -> Tensor:
    """Degrees (P, N) from sampled rotations (P, N, 3, 3) to the nearest successful yaw."""
    count = rotations.shape[1]
    targets = repeat_conditions(item["rotations"][good], count)
    allowed = repeat_conditions(item["yaw_success"][good], count)
    return torch.rad2deg(rotation_error(rotations, targets, allowed)[0])


def judge_quality(model: Any, cases: list[tuple[Any, dict[str, Tensor]]]) -> dict[str, float]:
    """Average precision of the judge on yaws of points where some yaw succeeds."""
    scores, labels = [], []
    for features, item in cases:
        good = item["yaw_success"].any(-1) & item["mask"]
        if not good.any():
            continue
        points, read = item["points"][good][None], model.reader(features)
        seen = model.attend(read, points)
        confidence, _ = model.judgement(read, seen, points, item["rotations"][good][None])
        scores.append(confidence.flatten())
        labels.append(item["yaw_success"][good].flatten())
    joined = torch.cat(labels)
    return {
        "judge_average_precision": average_precision(torch.cat(scores), joined),
        "judge_share_of_successes": float(joined.float().mean()),
    }


if __name__ == "__main__":
    main()
