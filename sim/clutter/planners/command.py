"""A planner in another environment or language: `--model "cmd:python my_planner.py"`."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from equigrasp.hand import Hand
from equigrasp.plan_result import PlanResult
from sim.clutter.outside import PlannerView, plan_of
from sim.clutter.outside_process import PlannerProcess
from sim.clutter.planner import ClutterPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_view import SceneView

PREFIX = "cmd:"


class CommandPlanner(ClutterPlanner):
    """Asks a process that lives from plan to plan; see `sim.clutter.outside_process`.

    Raises:
        ValueError: there is no command behind `cmd:`.
    """

    name = "command"

    def __init__(self, command: str, hand: Hand, rectify: bool, seconds: float) -> None:
        self.hand, self.rectify = hand, rectify
        self.process = PlannerProcess(_words(command), hand, seconds)

    @classmethod
    def takes(cls, model: str) -> bool:
        """Whether `--model` begins a command."""
        return model.startswith(PREFIX)

    @classmethod
    def from_settings(cls, settings: EvalSettings, hand: Hand) -> CommandPlanner:
        """For the command, the time limit and the hand of an evaluation."""
        return cls(settings.model, hand, settings.table_rectify, settings.plan_seconds)

    def plan(self, seen: SceneView) -> PlanResult:
        """The process's grasps in our convention, best first."""
        view = PlannerView.of(seen, self.hand, self.rectify)
        begin = time.perf_counter()
        offer = self.process.ask(view)
        seconds = time.perf_counter() - begin
        return plan_of(offer, view, self.process.convention, self.process.frame, seconds)

    @classmethod
    def made_of(cls, model: str) -> tuple[list[str], list[Path]]:
        """The files that the command names, but for the program itself."""
        return [], [Path(word) for word in _words(model)[1:] if Path(word).is_file()]


def _words(model: str) -> list[str]:
    words = shlex.split(model.removeprefix(PREFIX))
    if not words:
        raise ValueError('--model "cmd:": say what to run, for instance "cmd:python my_planner.py"')
    return words
