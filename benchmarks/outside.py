"""What it costs to ask a planner in a process of its own: `--model cmd:` against MODULE:CLASS.

    python benchmarks/outside.py            # 300 plans
    python benchmarks/outside.py --quick    # 60

The same planner, which does next to nothing, plans for the same depth image of 640 x 480 pixels
in this process and in its own (`examples/top_down*.py`). The difference is what the question costs:
arrays written, a line there and back, grasps read. Headline: `overhead_ms`, of the median plan.
Where the machine has other work, both processes wait for it; `asking_cpu_ms`, the processor time of
this process alone, does not hang on that.
"""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from shared.results import command_line, finish

from equigrasp.hand import PANDA
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.rectify import table_depth
from equigrasp.workspace import WORKSPACE
from sim.clutter.planner import ClutterPlanner
from sim.clutter.planners import planner_class
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_view import SceneView

EXAMPLES = Path(__file__).parents[1] / "examples"
PROCESS = shlex.join([sys.executable, str(EXAMPLES / "top_down_process.py")])
MODELS = {"class": f"{EXAMPLES}/top_down.py:TopDown", "process": f"cmd:{PROCESS}"}


def main() -> None:
    """Time both, in turns, so that other work on the machine hits them alike."""
    arguments = command_line(__doc__, "outside").parse_args()
    plans = 60 if arguments.quick else 300
    rng = np.random.default_rng(0)
    planners = {name: made(model) for name, model in MODELS.items()}
    for planner in planners.values():  # the process starts with the first question
        planner.plan(look(rng))
    seconds: dict[str, list[float]] = {name: [] for name in planners}
    processor = dict.fromkeys(planners, 0.0)
    for _ in range(plans):
        seen = look(rng)
        for name, planner in planners.items():
            begin, worked = time.perf_counter(), time.process_time()
            planner.plan(seen)
            seconds[name].append(time.perf_counter() - begin)
            processor[name] += time.process_time() - worked
    extra = 1e3 * (np.array(seconds["process"]) - np.array(seconds["class"]))
    numbers = {f"{name}_ms": 1e3 * float(np.median(s)) for name, s in seconds.items()}
    numbers["asking_cpu_ms"] = 1e3 * (processor["process"] - processor["class"]) / plans
    numbers["overhead_ms"] = float(np.median(extra))
    numbers["overhead_p95_ms"] = float(np.percentile(extra, 95))
    finish(arguments, numbers, {"plans": plans})


def made(model: str) -> ClutterPlanner:
    """The planner of a `--model`."""
    settings = EvalSettings(model=model, table_rectify=False)
    return planner_class(model).from_settings(settings, PANDA)


def look(rng: np.random.Generator) -> SceneView:
    """A noisy image of a block on a table: as much of a `SceneView` as these planners read."""
    T, K = fixed_view(), DEFAULT_INTRINSICS
    depth = table_depth(K, T, WORKSPACE).astype(np.float32)
    depth[K.height // 2 - 60 : K.height // 2 + 60, K.width // 2 - 80 : K.width // 2 + 80] -= 0.04
    return SimpleNamespace(
        depth=apply_noise(depth, "gamma", rng),
        intrinsics=K,
        T_world_camera=T,
        world=SimpleNamespace(workspace=WORKSPACE),
        more=(),
        rng=rng,
    )


if __name__ == "__main__":
    main()
