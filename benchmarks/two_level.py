"""What M noised samples per condition cost a training step: time and peak memory, in one run.

    python benchmarks/two_level.py [--quick] [--json results.json] [--record]

A condition is encoded once and serves M samples: a scene of EquiIGD, an observation of
Mini-Diffuser (names with "policy_") or of its drop-in variant (names with "actor_"). Every row is a
whole step (forward, backward, optimiser) of the same model on the same conditions with another M;
rounds of all M take turns, and medians are compared with M = 1. "naive" is what a trainer without
the second level does: the condition is encoded again for every sample. Its cost is measured for a
small M, and its ratio is to the two-level step of the same M. "twice_conditions" is the other way
to more samples: a step of twice the conditions with M = 1, compared with one of the usual number.

Memory is the peak of what torch holds: parameters, gradients, optimiser state and activations.
`suggest_m` proposes the best M from the measured times and the gradients of the last layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from shared.results import command_line, finish
from shared.steps import measure, optimiser_step, peak_bytes, step_function
from torch import Tensor

import equigrasp
from equigrasp.diffusion.batch import replicate_conditions
from equigrasp.diffusion.suggest_m import suggest_m
from equigrasp.models.losses import GraspLoss
from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.synthetic import (
    SENTENCES,
    random_actions,
    random_observations,
    replicated,
)
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.models.diffuser_actor import DiffuserActor
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.testing import synthetic_batch
from equigrasp.training.grasp_recipe import TrainingStep
from equigrasp.training.memory import keep_freed_memory

SAMPLES = (1, 4, 16, 64, 128, 256)
NAIVE = 4
POLICIES = {"policy": MiniDiffuser, "actor": DiffuserActor}
POINTS = 1024
"""Of an observation of the policy."""
ANCHOR = {"time": 1.063, "memory": 1.022}
"""M = 64 against M = 1 as published for Mini-Diffuser (arXiv 2505.09430)."""


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = command_line(__doc__, "two_level")
    parser.add_argument("--model", help="saved EquiIGD; gradients of trained weights tell more")
    parser.add_argument(
        "--kernels", default="all", help="model.layers.kernels of EquiIGD; orbits needs no escnn"
    )
    parser.add_argument("--scenes", type=int, help="encoded per step (default 4, quick 2)")
    parser.add_argument("--queries", type=int, default=64, help="grasp points per scene")
    parser.add_argument(
        "--observations", type=int, help="of the policy per step (default 4, quick 2)"
    )
    parser.add_argument("--threads", type=int, help="torch threads (default: as torch chooses)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, help="time to measure (default 240, quick 20)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    seconds = arguments.seconds or (20.0 if arguments.quick else 240.0)
    arguments.scenes = arguments.scenes or (2 if arguments.quick else 4)
    arguments.observations = arguments.observations or (2 if arguments.quick else 4)
    counts = (1, 64) if arguments.quick else SAMPLES
    numbers = measure_equiigd(arguments, counts, seconds / 3)
    for name, kind in POLICIES.items():
        found = measure_policy(kind, arguments, counts, seconds / 3)
        numbers |= {f"{name}_{key}": value for key, value in found.items()}
    numbers |= {f"published_{name}_ratio_m64": value for name, value in ANCHOR.items()}
    finish(arguments, numbers, {"device": arguments.device})


def measure_equiigd(
    arguments: argparse.Namespace, counts: tuple[int, ...], seconds: float
) -> dict[str, float]:
    """Seconds, peak bytes and ratios of EquiIGD's training step for every M."""
    torch.manual_seed(0)
    model = (
        equigrasp.load_model(arguments.model, frozen=False)
        if arguments.model
        else equigrasp.build_model("equiigd", layers={"kernels": arguments.kernels})
    ).to(arguments.device)
    batch = synthetic_batch(arguments.scenes, arguments.queries, 512, model.resolution)
    batch = {name: value.to(arguments.device) for name, value in batch.items()}
    steps = {
        f"m{m}": step_function(TrainingStep(model, GraspLoss(num_samples=m)), batch) for m in counts
    }
    one = TrainingStep(model, GraspLoss(num_samples=1))
    replicas = {name: replicate_conditions(value, NAIVE) for name, value in batch.items()}
    steps["naive"] = step_function(one, replicas)
    twice = synthetic_batch(2 * arguments.scenes, arguments.queries, 512, model.resolution)
    twice = {name: value.to(arguments.device) for name, value in twice.items()}
    steps["twice"] = step_function(one, twice)
    if f"m{NAIVE}" not in steps:
        steps[f"m{NAIVE}"] = step_function(TrainingStep(model, GraspLoss(num_samples=NAIVE)), batch)
    numbers, median = compared(model, steps, counts, seconds)
    suggestion = suggest_m(
        lambda m: median[f"m{m}"],
        last_layer_gradients(model, batch),
        conditions=arguments.scenes * GraspLoss().points_per_scene,
        counts=counts,
    )
    print(suggestion.explain())
    numbers |= {"suggested_m": suggestion.m, "gradient_rho": suggestion.rho}
    conditions = int((batch["yaw_success"].any(-1)).sum())
    return numbers | {"scenes": arguments.scenes, "conditions": conditions}


def measure_policy(
    kind: type[torch.nn.Module],
    arguments: argparse.Namespace,
    counts: tuple[int, ...],
    seconds: float,
) -> dict[str, float]:
    """The same of a policy's training step."""
    torch.manual_seed(0)
    model = kind(Vocabulary.of(SENTENCES)).to(arguments.device)
    made = partial(policy_batch, device=arguments.device)
    seen, wanted = made(arguments.observations)
    steps = {f"m{m}": policy_step(model, m, seen, wanted) for m in {*counts, NAIVE}}
    again = Actions(*(replicate_conditions(t, NAIVE) for t in wanted))
    steps["naive"] = policy_step(model, 1, replicated(seen, NAIVE), again)
    steps["twice"] = policy_step(model, 1, *made(2 * arguments.observations))
    numbers, _ = compared(model, steps, counts, seconds)
    return numbers | {"observations": arguments.observations, "points": POINTS}


def policy_batch(
    count: int, points: int = POINTS, device: str = "cpu"
) -> tuple[Observations, Actions]:
    """Made-up observations of a policy and their next keyframes."""
    seen = random_observations(count, points, dtype=torch.float32)
    wanted = random_actions(count, dtype=torch.float32)
    tensors = (t.to(device) for t in seen[:4])
    return Observations(*tensors, seen.sentences), Actions(*(t.to(device) for t in wanted))


def policy_step(
    model: KeyframePolicy, samples: int, seen: Observations, wanted: Actions
) -> Callable[[], None]:
    """A training step of a policy on a batch, with so many noised samples per observation."""
    generator = torch.Generator().manual_seed(0)

    def loss() -> Tensor:
        return torch.stack(list(model.losses(seen, wanted, samples, generator).values())).sum()

    return optimiser_step(model, loss)


def held_bytes(model: torch.nn.Module) -> float:
    """What a model holds beside activations: parameters, gradients, moments of Adam."""
    return sum(4 * p.numel() * p.element_size() for p in model.parameters())


def compared(
    model: torch.nn.Module,
    steps: dict[str, Callable[[], None]],
    counts: tuple[int, ...],
    seconds: float,
) -> tuple[dict[str, float], dict[str, float]]:
    """Ratios of time and peak memory to M = 1, of naive replication to M = `NAIVE`, with the
    figures they come from; and the median seconds by name of step."""
    held = held_bytes(model)
    peak = {name: held + peak_bytes(run) for name, run in steps.items()}
    median = {name: wall for name, (wall, _) in measure(steps, seconds).items()}
    numbers: dict[str, float] = {}
    for m in counts[1:]:
        numbers[f"time_ratio_m{m}"] = median[f"m{m}"] / median["m1"]
        numbers[f"memory_ratio_m{m}"] = peak[f"m{m}"] / peak["m1"]
    numbers[f"naive_time_ratio_m{NAIVE}"] = median["naive"] / median[f"m{NAIVE}"]
    numbers[f"naive_memory_ratio_m{NAIVE}"] = peak["naive"] / peak[f"m{NAIVE}"]
    numbers["twice_conditions_time_ratio"] = median["twice"] / median["m1"]
    numbers["twice_conditions_memory_ratio"] = peak["twice"] / peak["m1"]
    numbers |= {f"step_seconds_{name}": value for name, value in median.items()}
    numbers |= {f"peak_mib_{name}": value / 2**20 for name, value in peak.items()}
    return numbers, median


def last_layer_gradients(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """Gradient (P, M, d) of every sample's velocity error with respect to the last layer."""
    caught: dict[str, Tensor] = {}

    def catch(module: torch.nn.Module, args: tuple[Tensor], out: Tensor) -> None:
        caught["inputs"] = args[0].detach()

    handle = model.velocity.out_projection.register_forward_hook(catch)
    with torch.no_grad():  # which also keeps the network from being run twice
        generator = torch.Generator().manual_seed(0)
        raw = model.training_field(model.encode(batch["tsdf"]), batch, 32, 16, generator)
    handle.remove()
    error = 2 * (raw.flow.velocity - raw.flow.target)
    return torch.einsum("pmo,pmi->pmoi", error, caught["inputs"]).flatten(2)


if __name__ == "__main__":
    main()
