"""Double of `rlbench.action_modes.gripper_action_modes`."""

import numpy as np

from rlbench.backend.exceptions import InvalidActionError
from rlbench.double import SCRIPT


class Discrete:
    def __init__(self, attach_grasped_objects=True, detach_before_open=True):
        self.settings = (attach_grasped_objects, detach_before_open)

    def action(self, scene, action):
        if np.shape(action) != (1,):
            raise InvalidActionError(f"expected shape (1,), not {np.shape(action)}")
        SCRIPT.calls.append(("gripper", float(action[0])))
        scene.robot.gripper_open = bool(action[0] > 0.5)
