"""From the start of a process to the first grasps, and the plans after them.

    python benchmarks/cold_start.py
    python benchmarks/cold_start.py --quick --model equigiga_pile

Every start is a process of its own on one thread. CPU seconds are what a quiet core would need;
wall seconds are those of this machine with whatever else it does. "beyond torch" is without what
`import torch` alone takes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from shared.results import command_line, finish, load

ROOT = Path(__file__).parents[1]
TORCH = """
import json, resource, time
import torch
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu": time.process_time(), "MB": used.ru_maxrss / 1e3}))
"""
PLAN = """
import json, resource, sys, time
from equigrasp import GraspPlanner
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.self_test import fixed_depth

def plan():
    return planner.plan(fixed_depth(), DEFAULT_INTRINSICS, fixed_view())

planner = GraspPlanner.from_pretrained(sys.argv[1])
loaded = time.process_time()
if sys.argv[2] == "warm":
    planner.warmup()
ready = time.process_time()
assert plan().grasps
first = time.process_time()
later = [plan().timings["total"] for _ in range(5)]
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "loaded": loaded, "warmup": ready - loaded, "first": first - ready, "cpu": first,
    "later": sorted(later)[2], "MB": used.ru_maxrss / 1e3,
}))
"""


def measured(code: str, *arguments: str) -> dict[str, float]:
    """What a process of its own prints as JSON."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Median of every figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    """Measure and print."""
    parser = command_line(__doc__, "cold_start")
    parser.add_argument("--model", default="equiigd_pile", help="shipped name or saved weights")
    parser.add_argument("--runs", type=int, default=5, help="processes of each kind")
    options = parser.parse_args()
    count, busy = 1 if options.quick else options.runs, load()
    torch = medians([measured(TORCH) for _ in range(count)])
    cold, warm = (
        medians([measured(PLAN, options.model, how) for _ in range(count)])
        for how in ("cold", "warm")
    )
    figures = {
        "import torch CPU s": torch["cpu"],
        "start to first grasps CPU s": cold["cpu"],
        "beyond torch CPU s": cold["cpu"] - torch["cpu"],
        "first plan CPU s": cold["first"],
        "warmup() CPU s": warm["warmup"],
        "first plan after it CPU s": warm["first"],
        "later plans s": cold["later"],
        "memory MB": cold["MB"],
        "of it torch MB": torch["MB"],
    }
    finish(options, figures, {"model": options.model, "runs": count, "load before": busy})


if __name__ == "__main__":
    main()
