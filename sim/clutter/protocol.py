"""What an evaluation is: the published clutter-removal protocol and its settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from equigrasp.hand import PANDA
from equigrasp.perception.camera import DEFAULT_INTRINSICS, Intrinsics
from equigrasp.perception.noise import ALIASES, NOISE_KINDS
from sim.clutter.viewpoints import Viewpoint
from sim.scene.choice import PUBLISHED_SIMULATOR, check_simulator
from sim.scene.kinds import scene_kinds
from sim.scene.physics import Physics

VIEWS = ("fixed", "random")
TRIALS = ("lift", "lift_and_shake")
MAX_CONSECUTIVE_FAILURES = 2
OBJECTS_PER_ROUND = 5

SCENE_STREAM, VIEW_STREAM, NOISE_STREAM, PLANNER_STREAM, PHYSICS_STREAM = range(5)
"""Independent generators of a round: what differs between two planners is the planner alone."""


@dataclass(frozen=True)
class EvalSettings:
    """Everything that decides the outcome of an evaluation.

    Attributes:
        scene: name of a scene kind.
        view: "fixed" (published side view) or "random" (a new view for every attempt); with a
            `viewpoint`, the name that a protocol gives it.
        noise: depth noise, see `equigrasp.perception.noise`.
        model: name of a planner, shipped weights, or path of saved weights.
        table_rectify: undo the depth's global factor with the visible table.
        detection: overrides of `DetectionConfig`, the same for every scene kind.
        objects, split: object sets, and which part of them.
        num_objects: objects asked for per round (fewer may be present).
        hand: `Hand.to_dict()` of the hand that grasps.
        fingerprint: digests of the weights and of the code that decides outcomes, see
            `sim.clutter.fingerprint`; results of other weights or code are not resumed.
        protocol: name of the published protocol that the rest was taken from; "" for none.
        viewpoint: ranges of the cameras, see `Viewpoint`; {} for those that `view` names.
        intrinsics: of every camera.
        noise_sigma: standard deviation of "gaussian" noise, metres; None for the usual one.
        scales: range of the objects' scales; None for the one of the scene kind.
        physics: ranges of masses and frictions, see `Physics`; {} leaves every object its own.
        finger_friction: lateral, in the simulator; None for the hand's own.
        trial: "lift", or "lift_and_shake" (see `sim.clutter.shake`).
        max_failures: so many failures in a row end a round.
        avoid: whether the planner is told which grasps failed at what stands there still.
        plan_seconds: longest time for a plan of a planner in a process of its own.
        simulator: that scenes are built, grasped in and cleared with, see `sim.scene.choice`.
    """

    scene: str = "pile"
    view: str = "fixed"
    noise: str = "gamma"
    model: str = "antipodal"
    table_rectify: bool = True
    detection: dict[str, Any] = field(default_factory=dict)
    objects: str = "default"
    split: str = "test"
    num_objects: int = OBJECTS_PER_ROUND
    hand: dict[str, Any] = field(default_factory=PANDA.to_dict)
    fingerprint: str = ""
    protocol: str = ""
    viewpoint: dict[str, Any] = field(default_factory=dict)
    intrinsics: dict[str, Any] = field(default_factory=DEFAULT_INTRINSICS.to_dict)
    noise_sigma: float | None = None
    scales: list[float] | None = None
    physics: dict[str, Any] = field(default_factory=dict)
    finger_friction: float | None = None
    trial: str = "lift"
    max_failures: int = MAX_CONSECUTIVE_FAILURES
    avoid: bool = False
    plan_seconds: float = 60.0
    simulator: str = PUBLISHED_SIMULATOR

    def __post_init__(self) -> None:
        known = {"scene": scene_kinds(), "noise": (*NOISE_KINDS, *ALIASES), "trial": TRIALS}
        if not self.viewpoint:
            known["view"] = VIEWS
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(values)}"
                )
        if self.num_objects < 1:
            raise ValueError(f"num_objects is {self.num_objects}; a round needs at least 1")
        check_simulator(self.simulator)
        self._check_numbers()
        Intrinsics.from_dict(self.intrinsics).validate()
        Physics.of(self.physics)
        if self.viewpoint:
            Viewpoint.of(self.viewpoint)

    def _check_numbers(self) -> None:
        if self.max_failures < 1:
            raise ValueError(f"max_failures is {self.max_failures}; a round needs at least 1")
        if not self.plan_seconds > 0.0:
            raise ValueError(f"plan_seconds is {self.plan_seconds}; give seconds above 0")
        for name in ("noise_sigma", "finger_friction"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value <= 10.0:
                raise ValueError(f"{name} is {value}; it lies in (0, 10]")
        if self.scales is not None and not (
            len(self.scales) == 2 and 0.0 < self.scales[0] <= self.scales[1]
        ):
            raise ValueError(f"scales are {self.scales}; give a least and a largest, above 0")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; `EvalSettings(**values)` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, text: str) -> EvalSettings:
        """Settings from the JSON text of `to_dict`; what is not in it has its default."""
        return cls(**json.loads(text))


def round_generator(seed: int, round_index: int, *more: int) -> np.random.Generator:
    """Generator of one purpose in one round; seed 0 is a seed like any other."""
    return np.random.default_rng(np.random.SeedSequence([seed, round_index, *more]))
