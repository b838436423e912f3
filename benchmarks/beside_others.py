"""What planning and training take beside other busy programs, and how threads wait decides it.

    python benchmarks/beside_others.py [--quick] [--json results.json] [--record]

A robot's computer has more to do than to plan. A planner and a training step, each on as many
threads as there are cores, run alone and beside as many programs that only count. "usual" is how
GNU's OpenMP lets threads wait for one another (they turn round and round), "ours" how `equigrasp`
lets them (`GOMP_SPINCOUNT`, see `equigrasp/__init__.py`). Medians; every figure is of a process of
its own, and the four of a kind take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from shared.results import command_line, finish

WAITS = {"usual": "300000", "ours": "1000"}
"""GOMP_SPINCOUNT: what libgomp takes where nobody chose, and what equigrasp chooses."""
COUNTING = [sys.executable, "-c", "while True: pass"]
KINDS = ("plan", "step")


def main() -> None:
    """Measure, print, record."""
    parser = command_line(__doc__, "beside_others")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=3, help="how often all take turns")
    parser.add_argument("--seconds", type=float, default=10.0, help="of one figure")
    parser.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured(arguments.measure, arguments.seconds)))
        return
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.kinds = 1, 2.0, ["plan"]
    found: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for kind in arguments.kinds:
            for others in (0, os.cpu_count() or 1):
                for wait in WAITS:
                    name = f"{kind}_{'beside' if others else 'alone'}_{wait}_ms"
                    found.setdefault(name, []).append(asked(kind, wait, others, arguments))
    numbers = {name: statistics.median(values) for name, values in found.items()}
    for kind in arguments.kinds:
        for place in ("alone", "beside"):
            usual, ours = (numbers[f"{kind}_{place}_{wait}_ms"] for wait in WAITS)
            numbers[f"{kind}_{place}_usual_over_ours"] = usual / ours
    finish(arguments, numbers)


def asked(kind: str, wait: str, others: int, arguments: argparse.Namespace) -> float:
    """Median in milliseconds of a process beside so many others."""
    command = [sys.executable, __file__, "--measure", kind, "--seconds", str(arguments.seconds)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    environment["GOMP_SPINCOUNT"] = WAITS[wait]
    with ExitStack() as stack:
        for _ in range(others):
            counting = stack.enter_context(subprocess.Popen(COUNTING))
            stack.callback(counting.kill)
        told = subprocess.check_output(command, env=environment, text=True)
    return json.loads(told.splitlines()[-1])


def measured(kind: str, seconds: float) -> float:
    """Median in milliseconds of at least three turns."""
    turn = {"plan": planning, "step": training}[kind]()
    turn()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        turn()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def planning() -> Callable[[], Any]:
    """A plan of the best model for piles, of a made-up scene."""
    from equigrasp import GraspPlanner
    from equigrasp.rehearsal import rehearsal

    planner = GraspPlanner.from_pretrained("equiigd_pile")
    view = rehearsal(planner.workspace)
    return lambda: planner.plan(*view)


def training() -> Callable[[], Any]:
    """A training step of EquiGIGA on two made-up scenes."""
    import torch

    from equigrasp.data import batch_keys as keys
    from equigrasp.models.losses import GraspLoss
    from equigrasp.registry import build_model
    from equigrasp.testing import synthetic_batch

    model = build_model("equigiga", layers={"kernels": "orbits"})
    batch = synthetic_batch(2, 32, 64, model.resolution, model.hand.opening)
    optimizer, loss = torch.optim.AdamW(model.parameters()), GraspLoss()
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        optimizer.zero_grad()
        raw = model.training_field(model.encode(batch[keys.TSDF]), batch, 1, 1, generator)
        loss(raw, batch)["loss"].backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
