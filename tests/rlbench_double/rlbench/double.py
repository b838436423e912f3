"""What the double's robot does: scripted by tests, recorded for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

TABLE, BLOCK = 0.75, 0.05
"""Height of the table, and half the side of the red patch that lies on it (m)."""
HANDLES = {"table": 7, "patch": 1 + 2 * 256 + 3 * 65536}


@dataclass
class Script:
    """How the robot behaves.

    Attributes:
        progress: share of the remaining way that the next motions cover; the last one repeats.
        refuse: exceptions that the next motions raise; None lets one pass.
        goal: success is a tip within 5 mm of this point (None: never).
        hopeless: whether the task tells RLBench to terminate.
        calls: (name, arguments) of everything that was asked for, in order.
    """

    progress: list[float] = field(default_factory=lambda: [1.0])
    refuse: list[Exception | None] = field(default_factory=list)
    goal: Any = None
    hopeless: bool = False
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def said(self, *names: str) -> list[tuple[str, Any]]:
        """The recorded calls of these names."""
        return [call for call in self.calls if call[0] in names]


SCRIPT = Script()


class Robot:
    """Tip and gripper."""

    def __init__(self) -> None:
        self.home()

    def home(self) -> None:
        self.tip = np.array([0.28, 0.0, 1.47, 1.0, 0.0, 0.0, 0.0])
        self.gripper_open = True


class Scene:
    """What action modes act on: the robot, and a patch that is placed by numpy's global state."""

    def __init__(self, obs_config: Any) -> None:
        self.robot, self.obs_config = Robot(), obs_config
        self.patch = np.zeros(2)
        self.variation = 0

    def place(self) -> None:
        self.robot.home()
        self.patch = np.random.uniform([0.1, -0.2], [0.4, 0.2])  # noqa: NPY002 - as RLBench draws

    def success(self) -> bool:
        goal = SCRIPT.goal
        return goal is not None and np.linalg.norm(self.robot.tip[:3] - goal) < 0.005
