"""What a planner under test is: a class with a name, in a file of `sim/clutter/planners`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from equigrasp.hand import PANDA, Hand
from equigrasp.plan_result import PlanResult
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_view import SceneView


class ClutterPlanner(ABC):
    """Base class. `--model NAME` picks the planner of that name.

    Attributes:
        name: of the planner.
        reads_depth: whether it plans from the depth image, so that the depth's global factor is
            worth undoing.
    """

    name: ClassVar[str]
    reads_depth: ClassVar[bool] = True

    @classmethod
    def takes(cls, model: str) -> bool:
        """Whether `--model` asks for this planner; by default, with its name."""
        return model == cls.name

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: EvalSettings, hand: Hand) -> ClutterPlanner:
        """The planner that an evaluation asks for, in the process that plays the rounds."""

    @abstractmethod
    def plan(self, seen: SceneView) -> PlanResult:
        """Grasps in the workspace frame, best first, with the seconds it took as "total".

        Equal views with equal generators give equal grasps. No grasp is an answer.
        """

    @classmethod
    def hand_for(cls, model: str, asked: Hand | None = None) -> Hand:
        """The hand to evaluate with: the one asked for, or the planner's own.

        Args:
            model: what `--model` was given, for planners that need weights.
            asked: the user's choice; None for no choice.

        Raises:
            ValueError: it cannot plan for that hand; the message names both.
            FileNotFoundError: no such weights.
        """
        return asked or PANDA

    @classmethod
    def made_of(cls, model: str) -> tuple[list[str], list[Path]]:
        """What else decides its grasps than its own source: (modules chosen by name, files)."""
        return [], []
