"""Double of `rlbench.action_modes.arm_action_modes`."""

import numpy as np

from rlbench.backend.exceptions import InvalidActionError
from rlbench.double import SCRIPT


class EndEffectorPoseViaPlanning:
    def __init__(self, absolute_mode=True, frame="world", collision_checking=False):
        self.settings = (absolute_mode, frame, collision_checking)

    def action(self, scene, action):
        if np.shape(action) != (7,):
            raise InvalidActionError(f"expected shape (7,), not {np.shape(action)}")
        if not np.isclose(np.linalg.norm(action[3:]), 1.0):
            raise InvalidActionError("no unit quaternion")
        SCRIPT.calls.append(("move", action.copy()))
        if not ((np.array([-0.3, -0.5, 0.7]) < action[:3]) & (action[:3] < [0.8, 0.5, 1.75])).all():
            raise InvalidActionError("outside of the workspace")
        refusal = SCRIPT.refuse.pop(0) if SCRIPT.refuse else None
        if refusal is not None:
            raise refusal
        share = SCRIPT.progress.pop(0) if len(SCRIPT.progress) > 1 else SCRIPT.progress[0]
        tip = scene.robot.tip
        tip[:3] += share * (action[:3] - tip[:3])
        tip[3:] = action[3:]
