"""Packed scenes: objects standing upright, side by side, after the published protocol.

Source: the VGN simulator (Breyer et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.objects.rule import ObjectRule, StandingSizes
from sim.scene.builders import add_object, settle, upright_pose
from sim.scene.kind import SceneKind

if TYPE_CHECKING:
    from sim.objects.spec import ObjectSpec
    from sim.scene.simulator import Simulator

AREA = (0.08, 0.22)
"""Where the centres of objects go, in x and in y, metres."""
SCALES = (0.7, 0.9)
ATTEMPTS = 12
"""Most placements tried per scene."""
CLEARANCE = 0.002
"""Height over the table at which an object is let go, metres."""


def build(
    world: Simulator,
    objects: Sequence[ObjectSpec],
    rng: np.random.Generator,
    count: int,
    scales: tuple[float, float] = SCALES,
) -> tuple[bool, list[str]]:
    """Place objects upright, one after another, where they touch nothing."""
    settled, lost = True, []
    for _ in range(ATTEMPTS):
        if len(world.bodies) >= count:
            break
        spec = objects[int(rng.integers(len(objects)))]
        centre = rng.uniform(*AREA, size=2)
        yaw, scale = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(*scales)
        foot = np.append(centre, world.workspace.table_height + CLEARANCE)
        body = add_object(world, spec, scale, upright_pose(spec, foot, yaw, scale))
        if _touches_anything(world, body):
            world.remove(body)
            continue
        settled, gone = settle(world)
        lost += gone
    return settled, lost


def _touches_anything(world: Simulator, body: int) -> bool:
    """Whether a body that was just loaded overlaps the table or another object."""
    others = [b for b in world.bodies if b != body] + [world.table]
    return any(world.distance(body, other, 0.0) < np.inf for other in others)


PACKED = SceneKind(
    name="packed",
    description="objects standing upright, side by side",
    objects=ObjectRule(
        folder="packed",
        seed_number=0,
        # Before SCALES. The published hand opens 0.08 m.
        sizes=StandingSizes(narrow=0.075, wide=0.15, heights=(0.05, 0.22)),
        families={
            "bottle": 12,
            "jar": 10,
            "can": 8,
            "carton": 14,
            "packet": 8,
            "block": 6,
            "cup": 9,
            "mug": 7,
            "bowl": 5,
            "vase": 5,
            "pipe": 4,
            "milk_carton": 4,
            "open_box": 4,
            "pebble": 5,
            "wedge": 4,
            "spool": 4,
            "fruit": 3,
        },
    ),
    build=build,
    scales=SCALES,
    seconds=0.7,
)
