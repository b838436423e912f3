"""The same in a process of its own, which needs Python and numpy alone:

    python sim/clutter_eval.py --scene pile --model "cmd:python3 examples/top_down_process.py"

What is said in which order stands in `sim/clutter/outside_process.py`.
"""

import json
import sys
from typing import Any

import numpy as np


def plan(view: Any, hand: dict[str, Any], cube: dict[str, float]) -> dict[str, np.ndarray]:
    """Poses, widths and scores for the arrays of a view; here your network is asked."""
    cloud = view["cloud"]
    if not len(cloud):
        return {"poses": np.zeros((0, 4, 4)), "widths": np.zeros(0), "scores": np.zeros(0)}
    top = cloud[cloud[:, 2] > cloud[:, 2].max() - 0.01]
    tip = max(top[:, 2].max() - 0.03, cube["table_height"] + 0.005)
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = [*top[:, :2].mean(0), tip]
    return {"poses": pose[None], "widths": np.array([hand["opening"]]), "scores": np.array([0.5])}


def say(**message: Any) -> None:
    """One line on the standard output."""
    print(json.dumps(message), flush=True)


begin = json.loads(sys.stdin.readline())
say(say="ready", convention="tcp", frame="world")
for line in sys.stdin:
    asked = json.loads(line)
    try:
        with np.load(asked["view"]) as view:
            np.savez(asked["grasps"], **plan(view, begin["hand"], begin["workspace"]))
        say(say="planned")
    except Exception as error:
        say(say="failed", message=repr(error))
