"""A planner of one's own, a row of the table like any other:

    python sim/clutter_eval.py --scene pile --model examples/top_down.py:TopDown

The two imports are for readers: it uses what it is given, and knows nothing of this project.
"""

import numpy as np

from equigrasp.hand import Hand
from sim.clutter.outside import PlannerView


class TopDown:
    """Reaches straight down at the highest thing that it sees."""

    convention = "vgn"  # of the poses: docs/conventions.md
    frame = "world"  # or "camera"

    def __init__(self, hand: Hand) -> None:
        self.hand = hand

    def plan(self, view: PlannerView) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Poses (n, 4, 4), openings (n,) in metres, and scores (n,); none is an answer."""
        if not len(view.cloud):
            return np.zeros((0, 4, 4)), np.zeros(0), np.zeros(0)
        top = view.cloud[view.cloud[:, 2] > view.cloud[:, 2].max() - 0.01]
        tip = max(top[:, 2].max() - 0.03, view.workspace.table_height + 0.005)
        pose = np.diag([1.0, -1.0, -1.0, 1.0])  # z approaches, y closes
        pose[:3, 3] = [*top[:, :2].mean(0), tip + self.hand.finger_depth]  # the finger root
        return pose[None], np.array([self.hand.opening]), np.array([0.5])
