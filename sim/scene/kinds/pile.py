"""Piles: objects dropped one after another into a box, which is then taken away.

After the published protocol: the VGN simulator (Breyer et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from sim.objects.rule import LyingSizes, ObjectRule
from sim.scene.builders import add_object, settle
from sim.scene.kind import SceneKind

if TYPE_CHECKING:
    from sim.objects.spec import ObjectSpec
    from sim.scene.simulator import Simulator

AREA = (0.10, 0.20)
"""Where objects fall, in x and in y, metres."""
SCALES = (0.8, 1.0)
DROP = 0.20
"""Height over the table from which an object falls, metres."""
REST_TIMEOUT = 1.0
"""Longest wait between two drops, in simulated seconds."""
BOX_INNER = (0.02, 0.28)
"""Inner bounds of the box in x and y; metres, as are its height and the thickness of its walls."""
BOX_HEIGHT = 0.13
BOX_WALL = 0.02


def build(
    world: Simulator,
    objects: Sequence[ObjectSpec],
    rng: np.random.Generator,
    count: int,
    scales: tuple[float, float] = SCALES,
) -> tuple[bool, list[str]]:
    """Drop objects into a box that holds them together until they lie, then take it away."""
    box = _load_box(world)
    for _ in range(count):
        spec = objects[int(rng.integers(len(objects)))]
        T = np.eye(4)
        T[:3, :3] = Rotation.random(random_state=rng).as_matrix()
        T[:2, 3] = rng.uniform(*AREA, size=2)
        T[2, 3] = world.workspace.table_height + DROP
        add_object(world, spec, rng.uniform(*scales), T)
        world.wait_for_rest(REST_TIMEOUT)
    world.remove(box)
    return settle(world)


def _load_box(world: Simulator) -> int:
    """Four walls around the workspace; the table is the floor."""
    path = world.scratch / "box.urdf"
    path.write_text(box_urdf())
    T = np.eye(4)
    side = world.workspace.side
    T[:3, 3] = side / 2, side / 2, world.workspace.table_height
    return world.load_urdf(path, T)


def box_urdf() -> str:
    """URDF text of the static open-top box, its origin in the middle of its floor."""
    half = (BOX_INNER[1] - BOX_INNER[0]) / 2
    offset, length = half + BOX_WALL / 2, 2 * (half + BOX_WALL)
    walls = [(f"{side * offset} 0", f"{BOX_WALL} {length}") for side in (-1, 1)] + [
        (f"0 {side * offset}", f"{length} {BOX_WALL}") for side in (-1, 1)
    ]
    collisions = "".join(
        f'<collision><origin xyz="{xy} {BOX_HEIGHT / 2}"/>'
        f'<geometry><box size="{size} {BOX_HEIGHT}"/></geometry></collision>'
        for xy, size in walls
    )
    return (
        '<?xml version="1.0"?>\n<robot name="box"><link name="walls">'
        '<inertial><mass value="0"/><inertia ixx="0" ixy="0" ixz="0" iyy="0" iyz="0" izz="0"/>'
        f"</inertial>{collisions}</link></robot>\n"
    )


PILE = SceneKind(
    name="pile",
    description="objects dropped into a heap",
    objects=ObjectRule(
        folder="pile",
        seed_number=1,
        # Before SCALES. The published hand opens 0.08 m.
        sizes=LyingSizes(second=0.07, longest=0.22, least_longest=0.04),
        families={
            "bottle": 8,
            "jar": 6,
            "can": 6,
            "carton": 7,
            "packet": 5,
            "block": 10,
            "cup": 6,
            "mug": 6,
            "bowl": 6,
            "vase": 3,
            "pipe": 5,
            "ring": 5,
            "milk_carton": 2,
            "open_box": 3,
            "pebble": 7,
            "wedge": 4,
            "spool": 5,
            "fruit": 5,
            "hammer": 5,
            "driver": 5,
            "bracket": 5,
            "banana": 4,
            "elbow": 5,
        },
    ),
    build=build,
    scales=SCALES,
    seconds=1.0,
)
