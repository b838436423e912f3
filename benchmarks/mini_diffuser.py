"""What Mini-Diffuser is made of: its parts switched off, and M noised samples per observation.

    python benchmarks/mini_diffuser.py --record                  # costs, and draws of a policy
    python benchmarks/mini_diffuser.py --table-only              # of what is on record
    python benchmarks/mini_diffuser.py --quick
    python benchmarks/mini_diffuser.py --data data/demos --minutes 60 --success 10 --record

Costs: a training step (forward, backward, optimiser) of the whole policy with M in 1 to 256 and
with twice the observations, of the policy without each of its parts, with flow matching in the
place of diffusion, and of the drop-in variant; all take turns, medians are compared. Seconds are
of one core and of the process, so that waiting on a busy machine does not count. The network of the
published size (`published_policy.py`) takes a step of two observations of 4,000 points.

Draws: keyframes that a policy draws for scenes whose first keyframe has several right answers, and
the share of these that at least one of N draws hits.

With --data the same arms are trained on demonstrations for equal minutes each, and played
(`policy_batches.py`); `mini_diffuser_success` in results/ has what came of it.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import policy_batches
import torch
from published_policy import POINTS as PUBLISHED_POINTS
from published_policy import PUBLISHED, published_steps
from shared.answers import answer_numbers, draw_scenes, drawn_scenes
from shared.arm_curves import markdown_table
from shared.results import RESULTS, finish, load
from shared.steps import measure, peak_bytes
from two_level import POINTS, SAMPLES, held_bytes, policy_batch, policy_step

from equigrasp.data.files import write_atomically
from equigrasp.policy.keyframes.synthetic import SENTENCES
from equigrasp.policy.models.diffuser_actor import DiffuserActor
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.training.memory import keep_freed_memory

OBSERVATIONS = 4
"""B of the steps that are compared."""
M = 64
"""At which variants are compared."""
WITHOUT = {
    "no_rope": {"rope": False},
    "no_local_query": {"local_query": False},
    "coupled_head": {"decoupled_head": False},
    "flow": {"schedule": "flow"},
}
"""Options of the variants."""
VARIANTS: dict[str, Any] = {"whole": MiniDiffuser, "actor": DiffuserActor}
VARIANTS |= {name: partial(MiniDiffuser, **options) for name, options in WITHOUT.items()}
PUBLISHED_OBSERVATIONS = 2
COSTS = ("seconds", "mib", "time_ratio", "memory_ratio")
COUNTED = ("m4", "m16", "m64", "m128", "m256", "m1", "m1_2b")
ARMS = (*COUNTED, *WITHOUT, "actor")
"""That are trained with --data."""


def main() -> None:
    """Measure what is asked for, tabulate, record."""
    arguments = parser().parse_args()
    if arguments.data and not arguments.quick:
        arguments.result = RESULTS / "mini_diffuser_success.json"
        policy_batches.study(arguments)
        return
    if arguments.table_only:
        print(report(json.loads(arguments.result.read_text())["numbers"]))
        return
    torch.set_num_threads(1)
    keep_freed_memory()
    before = load()
    numbers = costs(arguments.seconds or (12.0 if arguments.quick else 150.0), arguments.quick)
    scenes = drawn_scenes(
        arguments.policy,
        arguments.task,
        2 if arguments.quick else arguments.scenes,
        16 if arguments.quick else 64,
        arguments.workers,
    )
    numbers |= answer_numbers(scenes)
    print(report(numbers))
    facts = {"policy": arguments.policy, "task": arguments.task, "load": before}
    if arguments.record:
        draw_scenes(scenes, RESULTS / "mini_diffuser.png")
        write_atomically(arguments.result.with_suffix(".md"), report(numbers) + "\n")
    finish(arguments, numbers, facts)


def parser() -> argparse.ArgumentParser:
    """Command-line options: those of `policy_batches.py`, with the arms of this study."""
    found = policy_batches.parser(__doc__, "mini_diffuser", ARMS)
    add = found.add_argument
    add("--seconds", type=float, help="time to measure costs (default 150, quick 12)")
    add("--policy", default="mini_diffuser_tasks", help="saved one that draws")
    add("--task", default="stack_blocks", help="whose scenes have several right answers")
    add("--scenes", type=int, default=40, help="that it draws for")
    found.set_defaults(data=None, out=Path("outputs/mini_diffuser"))
    return found


def costs(seconds: float, quick: bool) -> dict[str, float]:
    """Processor seconds and MiB of a step by arm, and their ratios.

    Args:
        seconds: time to measure.
        quick: a part of the arms, and not the network of the published size.
    """
    counts = (1, M) if quick else SAMPLES
    steps, models = {}, {}
    batch = policy_batch(OBSERVATIONS)
    for name, kind in VARIANTS.items():
        torch.manual_seed(0)
        models[name] = kind(Vocabulary.of(SENTENCES))
        for m in counts if name == "whole" else (M,):
            steps[f"{name}_m{m}"] = policy_step(models[name], m, *batch)
    steps["whole_m1_2b"] = policy_step(models["whole"], 1, *policy_batch(2 * OBSERVATIONS))
    peak = {
        name: held_bytes(models[name.rsplit("_m", 1)[0]]) + peak_bytes(run)
        for name, run in steps.items()
    }
    median = {name: cpu for name, (_, cpu) in measure(steps, seconds).items()}
    numbers: dict[str, float] = {}
    for name in steps:
        base = "whole_m1" if name.startswith("whole") else f"whole_m{M}"
        found = (median[name], peak[name] / 2**20)
        found += (median[name] / median[base], peak[name] / peak[base])
        numbers |= {f"{name}_{what}": value for what, value in zip(COSTS, found, strict=True)}
    for name, model in models.items():
        numbers[f"{name}_parameters"] = sum(p.numel() for p in model.parameters())
    return numbers if quick else numbers | published_steps((M,), PUBLISHED_OBSERVATIONS)


def report(numbers: dict[str, float]) -> str:
    """The figures as a page in Markdown."""
    arms = [name.removesuffix("_seconds") for name in numbers if name.endswith("_seconds")]
    rows = {arm: {what: numbers.get(f"{arm}_{what}") for what in COSTS} for arm in arms}
    counts = [name.rsplit("_n", 1)[1] for name in numbers if name.startswith("draws_coverage_n")]
    drawn = {
        label: {f"N = {n}": numbers[f"draws_{name}_n{n}"] for n in counts}
        for name, label in (("coverage", "drawn"), ("coverage_of_chance", "all hit, all alike"))
    }
    share = numbers["draws_at_a_right_answer"]
    return f"""# Mini-Diffuser and its parts

A training step of {OBSERVATIONS} observations of {POINTS} points, processor seconds of one core.
Ratios of the whole policy are to its M = 1, those of the variants to the whole policy at M = {M}.
{PUBLISHED} takes {PUBLISHED_OBSERVATIONS} observations of {PUBLISHED_POINTS} points.

{markdown_table(rows)}

## Several right answers

Share of the right answers that at least one of N draws hits (within 2 cm), mean of
{numbers["draws_scenes"]:.0f} scenes with {numbers["draws_right_answers"]:.3g} right answers each;
{100 * share:.3g} % of the draws are at one of them.

{markdown_table(drawn)}

![draws from above](mini_diffuser.png)"""


if __name__ == "__main__":
    main()
