"""Labels per second: scenes encoded once with Q queries each, against one grasp per encoding.

    python benchmarks/training.py [--quick] [--json results.json]

Published trainers (VGN, GIGA, IGD, EVG) encode the whole scene again for every grasp. Both
variants here run forward, backward and optimiser step of the same model with the same loss, the
same number of scene encodings per step and the same occupancy points per encoding; only the number
of labelled grasps per encoding differs. The batch is synthetic: time does not depend on its values.
Rounds of both variants alternate, and medians over rounds are compared.
"""

from __future__ import annotations

import torch
from shared.results import command_line, finish
from shared.steps import measure, step_function

import equigrasp
from equigrasp.models.losses import GraspLoss
from equigrasp.testing import synthetic_batch
from equigrasp.training.grasp_recipe import TrainingStep
from equigrasp.training.memory import keep_freed_memory


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = command_line(__doc__, "training")
    parser.add_argument("--model", default="equigiga")
    parser.add_argument("--scenes", type=int, default=4, help="B: scene encodings per step")
    parser.add_argument("--queries", type=int, default=64, help="Q: grasps per encoding")
    parser.add_argument("--occupancy-points", type=int, default=512, help="P, for both variants")
    parser.add_argument("--threads", type=int, help="torch threads (default: as torch chooses)")
    parser.add_argument("--seconds", type=float, help="time to measure (default 120, quick 12)")
    arguments = parser.parse_args()

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    model = equigrasp.build_model(arguments.model)
    step = TrainingStep(model, GraspLoss())
    size = (arguments.occupancy_points, model.resolution)
    many = synthetic_batch(arguments.scenes, arguments.queries, *size)
    one = synthetic_batch(arguments.scenes, 1, *size)
    seconds = arguments.seconds or (12.0 if arguments.quick else 120.0)
    variants = {"many": step_function(step, many), "one": step_function(step, one)}
    median = measure(variants, seconds)

    (wall_many, cpu_many), (wall_one, cpu_one) = median["many"], median["one"]
    labels = arguments.scenes * arguments.queries
    numbers: dict[str, float] = {
        "speedup": arguments.queries * wall_one / wall_many,
        "speedup_cpu_time": arguments.queries * cpu_one / cpu_many,
        "labels_per_second": labels / wall_many,
        "labels_per_second_one_per_encoding": arguments.scenes / wall_one,
        "step_seconds": wall_many,
        "step_seconds_one_per_encoding": wall_one,
        "cpu_seconds_per_scene": cpu_many / arguments.scenes,
        "scenes_per_step": arguments.scenes,
        "queries_per_scene": arguments.queries,
        "occupancy_points": arguments.occupancy_points,
    }
    finish(arguments, numbers, {"model": arguments.model})


if __name__ == "__main__":
    main()
