"""How scenes are made: what, with an index, fixes every scene of a data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from equigrasp.hand import PANDA, Hand
from sim.objects.spec import SPLITS
from sim.scene.choice import PUBLISHED_SIMULATOR, check_simulator
from sim.scene.kind import SceneKind
from sim.scene.physics import AS_FOUND, Physics

VIEWS = ("fixed", "random", "both")
LABELLERS = ("fast", "reference")
STAGES = ("build", "render", "propose", "label", "occupancy", "write")
"""Of the work on a scene, in their order; their times are told apart."""


@dataclass(frozen=True)
class SceneSettings:
    """How scenes are made; kind, seed and hand stand in `DataDesign`.

    Attributes:
        grasps_per_scene: grasp points per scene, each tried at every yaw.
        objects: comma-separated names of object sets and folders (`sim.objects.load`).
        split: "train", "val", "test" or "all" of these objects.
        view: "fixed" (published side view), "random" views, or "both" (the fixed one first).
        random_views: number of random views where there are any.
        labeller: "fast" or "reference".
        audit: share of geometrically rejected yaws that "fast" simulates all the same.
        margin_pairs: pairs of disturbed trials per successful yaw (`sim.grasping.margin`).
        physics: ranges of the objects' masses and frictions.
        antipodal: share of grasp points drawn as antipodal contact pairs.
        planned: share of grasp points that a model plans (`data_gen.planned`); the rest is drawn.
        proposer: shipped name or path of that model's weights.
        proposer_digest: hash of the weights, so that a run goes on with the same ones.
        occupancy_points: per scene; half near the objects, half anywhere in the workspace.
        num_objects: objects asked for per scene; None draws Poisson(4) + 1.
        simulator: that scenes are built and grasps tried with, see `sim.scene.choice`.

    Raises:
        ValueError: naming the value and its limits.
    """

    grasps_per_scene: int = 60
    objects: str = "default"
    split: str = "train"
    view: str = "both"
    random_views: int = 1
    labeller: str = "fast"
    audit: float = 0.05
    margin_pairs: int = 1
    physics: Physics = AS_FOUND
    antipodal: float = 0.5
    planned: float = 0.0
    proposer: str = ""
    proposer_digest: str = ""
    occupancy_points: int = 20_000
    num_objects: int | None = None
    simulator: str = PUBLISHED_SIMULATOR

    def __post_init__(self) -> None:
        object.__setattr__(self, "physics", Physics.of(self.physics))
        check_simulator(self.simulator)
        if self.margin_pairs < 0:
            raise ValueError(f"margin_pairs is {self.margin_pairs}; it must not be negative")
        for name, known in (("split", SPLITS), ("view", VIEWS), ("labeller", LABELLERS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}"
                )
        for name in ("grasps_per_scene", "random_views", "occupancy_points", "num_objects"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if (self.planned > 0.0) != bool(self.proposer):
            raise ValueError(
                f"planned is {self.planned} and proposer '{self.proposer}'; give a share above 0 "
                "and the model that plans, or neither"
            )
        for name in ("audit", "antipodal", "planned"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a share in [0, 1]")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; `SceneSettings(**values)` is its inverse."""
        return json.loads(json.dumps(asdict(self)))


@dataclass(frozen=True)
class DataDesign:
    """What fixes every scene of a data set but its index. It travels to workers as it is.

    Attributes:
        kind: of the scenes.
        seed: scene i is drawn from (seed, i).
        settings: how scenes are made.
        hand: that grasps are proposed and tried for.

    Raises:
        ValueError: for a negative seed.
    """

    kind: SceneKind
    seed: int = 0
    settings: SceneSettings = field(default_factory=SceneSettings)
    hand: Hand = PANDA

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give a number from 0 up")


def hash_ids(object_ids: Sequence[str]) -> str:
    """Hash of an object set's ids."""
    return hashlib.sha256("\n".join(object_ids).encode()).hexdigest()
