"""Double of `rlbench.action_modes.action_mode`."""

from abc import ABC, abstractmethod

import numpy as np


class ActionMode(ABC):
    def __init__(self, arm_action_mode, gripper_action_mode):
        self.arm_action_mode = arm_action_mode
        self.gripper_action_mode = gripper_action_mode

    @abstractmethod
    def action(self, scene, action):
        """Carry out an action (8,)."""


class MoveArmThenGripper(ActionMode):
    def action(self, scene, action):
        self.arm_action_mode.action(scene, np.array(action[:7]))
        self.gripper_action_mode.action(scene, np.array(action[7:]))
