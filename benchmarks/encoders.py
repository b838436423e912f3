"""What encoders cost: planes against a steerable 3-D UNet, and the published choices.

    python benchmarks/encoders.py [--quick] [--json results.json] [--record]

Per variant of EquiGIGA: parameters, seconds to encode one scene (frozen), seconds and peak memory
of a training step of --scenes scenes, and their ratios to the planes that are our default. Seconds
are those of the processor, which other programs do not lengthen. The 3-D UNet has as many fields at
each of its levels as the planes have.
"""

from __future__ import annotations

from typing import Any

import torch
from shared.results import command_line, finish
from shared.steps import measure, peak_bytes, step_function

import equigrasp
from equigrasp.models.losses import GraspLoss
from equigrasp.nn.freeze import freeze
from equigrasp.testing import synthetic_batch, synthetic_tsdf
from equigrasp.training.grasp_recipe import TrainingStep
from equigrasp.training.memory import keep_freed_memory

VARIANTS: dict[str, dict[str, Any]] = {
    "planes": {},
    "volume": {"backbone": "volume"},
    "separate_lifting": {"layers": {"lifting": "separate"}},
    "escnn_kernels": {"layers": {"kernels": "escnn"}},
    "deform_orbit": {"deform": "orbit"},
    "deform_full": {"deform": "full"},
    "published_plain": {"side_features": "plain", "layers": {"fusion": "concatenate"}},
    "published_deform": {
        "side_features": "plain",
        "deform_xy": "published",
        "deform_side": "full",
        "layers": {"fusion": "concatenate"},
    },
    "plain_head": {"head": "plain"},
}
"""Options of EquiGIGA; heads are the same unless a variant is one of them."""
QUICK = ("planes", "volume")


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = command_line(__doc__, "encoders")
    parser.add_argument("--variants", nargs="+", choices=sorted(VARIANTS), help="default: all")
    parser.add_argument("--scenes", type=int, default=2, help="of a training step")
    parser.add_argument("--resolution", type=int, help="voxels per side (default 40, quick 16)")
    parser.add_argument("--seconds", type=float, help="time to measure (default 240, quick 6)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    seconds = arguments.seconds or (6.0 if arguments.quick else 240.0)
    size = arguments.resolution or (16 if arguments.quick else 40)
    names = QUICK if arguments.quick else arguments.variants or tuple(VARIANTS)
    names = tuple(dict.fromkeys(["planes", *names]))  # what all are compared with
    torch.manual_seed(0)
    models = {
        name: equigrasp.build_model("equigiga", resolution=size, **VARIANTS[name]) for name in names
    }
    numbers = costs(models, size, arguments.scenes, seconds)
    finish(arguments, numbers, {"resolution": size, "scenes": arguments.scenes})


def costs(models: dict[str, Any], size: int, scenes: int, seconds: float) -> dict[str, float]:
    """Parameters, seconds, peak MiB, and their ratios to the planes."""
    scene, batch = synthetic_tsdf(size), synthetic_batch(scenes, 64, 512, size)
    steps = {
        name: step_function(TrainingStep(model, GraspLoss()), batch)
        for name, model in models.items()
    }
    frozen = {name: freeze(model) for name, model in models.items()}
    encode = {name: lambda model=model: model.encode(scene) for name, model in frozen.items()}
    numbers: dict[str, float] = {}
    found: dict[str, dict[str, float]] = {}
    peak = {name: peak_bytes(run) for name, run in steps.items()}
    with torch.no_grad():
        encoding = measure(encode, seconds / 4)
    training = measure(steps, seconds / 2)
    for name, model in models.items():
        found[name] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "encode_seconds": encoding[name][1],
            "step_seconds": training[name][1],
            "step_mib": peak[name] / 2**20,
        }
        ratios = {f"{key}_ratio": v / found["planes"][key] for key, v in found[name].items()}
        numbers |= {f"{name}_{key}": value for key, value in (found[name] | ratios).items()}
    return numbers


if __name__ == "__main__":
    main()
