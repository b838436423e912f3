"""Clutter scenes after the published protocol: objects packed upright, or dropped in a pile.

Import this module in simulator processes only. Source: the VGN simulator (Breyer et al. 2020).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from equigrasp.constants import TABLE_HEIGHT, WORKSPACE_SIZE
from sim.objects.spec import ObjectSpec, load_mesh, objects_by_id
from sim.scene.world import World

MEAN_EXTRA_OBJECTS = 4.0
"""Scenes for training hold Poisson(4) + 1 objects."""

PACKED_AREA = (0.08, 0.22)
PACKED_SCALES = (0.7, 0.9)
PACKED_ATTEMPTS = 12
"""Most placements tried per packed scene, as published."""
PACKED_CLEARANCE = 0.002
"""Height over the table at which an upright object is let go."""

PILE_AREA = (0.10, 0.20)
PILE_SCALES = (0.8, 1.0)
PILE_DROP = 0.20
"""Height over the table from which an object falls."""
PILE_REST_TIMEOUT = 1.0
"""Longest wait between two drops, in simulated seconds."""

BOX_INNER = (0.02, 0.28)
BOX_HEIGHT = 0.13
BOX_WALL = 0.02
"""Open-top box that holds a pile together until it has settled: inner bounds in x and y, height,
thickness of the walls."""


@dataclass(frozen=True, eq=False)
class Body:
    """One object of a scene: id, global scale, and (4, 4) pose of its URDF base frame."""

    object_id: str
    scale: float
    T_world_object: np.ndarray


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene that can be written down and replayed.

    Attributes:
        kind: "packed" or "pile".
        seed: number the caller draws scenes by; for the record only.
        bodies: the objects present, in loading order.
        settled: whether everything was at rest at hand-over.
        lost: ids of the objects that left the workspace while the scene settled.
        requested: number of objects asked for.
    """

    kind: str
    seed: int
    bodies: tuple[Body, ...]
    settled: bool
    lost: tuple[str, ...]
    requested: int

    def to_json(self) -> str:
        """The scene as one JSON object; poses keep every bit."""
        bodies = [
            {
                "object_id": b.object_id,
                "scale": b.scale,
                "T_world_object": np.asarray(b.T_world_object).tolist(),
            }
            for b in self.bodies
        ]
        return json.dumps(
            {
                "kind": self.kind,
                "seed": self.seed,
                "requested": self.requested,
                "settled": self.settled,
                "lost": list(self.lost),
                "bodies": bodies,
            }
        )

    @staticmethod
    def from_json(text: str) -> Scene:
        """Inverse of `to_json`.

        Raises:
            ValueError: if fields are missing or a pose is not a rigid (4, 4) transform.
        """
        record = json.loads(text)
        try:
            bodies = tuple(_body_from(entry) for entry in record["bodies"])
            return Scene(
                str(record["kind"]),
                int(record["seed"]),
                bodies,
                bool(record["settled"]),
                tuple(str(i) for i in record["lost"]),
                int(record["requested"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not a scene: {error!r} is missing or malformed") from error


def build_scene(
    kind: str,
    objects: Sequence[ObjectSpec],
    rng: np.random.Generator,
    num_objects: int | None,
    world: World,
    *,
    seed: int = 0,
) -> Scene:
    """Build a scene in an empty world and leave it there; `world.bodies` maps ids to `Body`.

    The same generator state in a fresh or reset world gives the same scene bit for bit on one
    machine.

    Args:
        kind: "packed" (upright, side by side) or "pile" (dropped into a box, box removed).
        objects: drawn from with replacement.
        num_objects: objects to place; None draws Poisson(4) + 1, as for training data. Fewer may
            be present in the end: placements fail and objects roll away.
        seed: written into the scene for the record.

    Raises:
        ValueError: for an unknown kind, no objects, a count below 1 or a world with objects.
    """
    if kind not in BUILDERS:
        raise ValueError(f"scene kind '{kind}' is unknown; use one of {sorted(BUILDERS)}")
    if not objects:
        raise ValueError("there are no objects to build a scene from; give a set with some")
    count = int(rng.poisson(MEAN_EXTRA_OBJECTS)) + 1 if num_objects is None else num_objects
    if count < 1:
        raise ValueError(f"num_objects is {count}; a scene needs at least 1")
    _prepare(world)
    settled, lost = BUILDERS[kind](world, objects, rng, count)
    bodies = record_bodies(world)
    return Scene(kind, seed, tuple(bodies), settled, tuple(lost), count)


def record_bodies(world: World) -> list[Body]:
    """Write the present pose of every object into `world.bodies`; return them in loading order."""
    for body, T in world.body_poses().items():
        known = world.bodies[body]
        world.bodies[body] = Body(known.object_id, known.scale, T)
    return list(world.bodies.values())


def load_scene(world: World, scene: Scene, objects: Sequence[ObjectSpec]) -> list[int]:
    """Put a recorded scene into an empty world, at the recorded poses and at rest.

    Returns:
        Body ids in the order of `scene.bodies`.

    Raises:
        ValueError: if an object is not in the given set or the world holds objects already.
    """
    specs = objects_by_id(objects, [b.object_id for b in scene.bodies])
    _prepare(world)
    return [_load(world, specs[b.object_id], b.scale, b.T_world_object) for b in scene.bodies]


def _prepare(world: World) -> None:
    if world.bodies:
        raise ValueError(
            f"the world still holds {len(world.bodies)} objects; call world.reset() first"
        )
    if world.table is None:
        world.load_table()


def _load(world: World, spec: ObjectSpec, scale: float, T: np.ndarray) -> int:
    body = world.load_object(spec, T, scale)
    world.bodies[body] = Body(spec.object_id, float(scale), np.array(T, dtype=np.float64))
    return body


def _build_packed(
    world: World, objects: Sequence[ObjectSpec], rng: np.random.Generator, count: int
) -> tuple[bool, list[str]]:
    """Place objects upright, one after another, where they touch nothing."""
    settled, lost = True, []
    for _ in range(PACKED_ATTEMPTS):
        if len(world.bodies) >= count:
            break
        spec = objects[int(rng.integers(len(objects)))]
        centre = rng.uniform(*PACKED_AREA, size=2)
        yaw, scale = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(*PACKED_SCALES)
        body = _load(world, spec, scale, upright_pose(spec, centre, yaw, scale))
        if _touches_anything(world, body):
            world.remove(body)
            continue
        rested, gone = _settle(world)
        settled, lost = rested, lost + gone
    return settled, lost


def upright_pose(spec: ObjectSpec, centre: np.ndarray, yaw: float, scale: float) -> np.ndarray:
    """Pose that puts the centre of the bounding box over `centre`, its foot just over the table."""
    lower, upper = load_mesh(spec).bounds * scale
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", yaw).as_matrix()
    T[:3, 3] = -T[:3, :3] @ ((lower + upper) / 2)
    T[:2, 3] += centre
    T[2, 3] = TABLE_HEIGHT + PACKED_CLEARANCE - lower[2]
    return T


def _touches_anything(world: World, body: int) -> bool:
    """Whether a body that was just loaded overlaps the table or another object."""
    others = [b for b in world.bodies if b != body] + [world.table]
    return any(world.p.getClosestPoints(body, other, 0.0) for other in others)


def _build_pile(
    world: World, objects: Sequence[ObjectSpec], rng: np.random.Generator, count: int
) -> tuple[bool, list[str]]:
    """Drop objects into a box, then take the box away."""
    box = _load_box(world)
    for _ in range(count):
        spec = objects[int(rng.integers(len(objects)))]
        T = np.eye(4)
        T[:3, :3] = Rotation.random(random_state=rng).as_matrix()
        T[:2, 3] = rng.uniform(*PILE_AREA, size=2)
        T[2, 3] = TABLE_HEIGHT + PILE_DROP
        _load(world, spec, rng.uniform(*PILE_SCALES), T)
        world.wait_for_rest(PILE_REST_TIMEOUT)
    world.remove(box)
    return _settle(world)


def _settle(world: World) -> tuple[bool, list[str]]:
    """Wait for rest, removing what leaves the workspace; ids of what was removed."""
    before = {body: known.object_id for body, known in world.bodies.items()}
    rested, removed = world.settle()
    return rested, [before[body] for body in removed]


def _load_box(world: World) -> int:
    """Four walls around the workspace; the table is the floor."""
    path = world.scratch / "box.urdf"
    path.write_text(box_urdf())
    T = np.eye(4)
    T[:3, 3] = WORKSPACE_SIZE / 2, WORKSPACE_SIZE / 2, TABLE_HEIGHT
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


def _body_from(entry: dict[str, Any]) -> Body:
    T = np.array(entry["T_world_object"], dtype=np.float64)
    rigid = (
        T.shape == (4, 4)
        and np.isfinite(T).all()
        and np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-6)
        and np.linalg.det(T[:3, :3]) > 0.0
    )
    if not rigid:
        raise ValueError(f"the pose of '{entry['object_id']}' is not a rigid (4, 4) transform")
    return Body(str(entry["object_id"]), float(entry["scale"]), T)


Builder = Callable[[World, Sequence[ObjectSpec], np.random.Generator, int], tuple[bool, list[str]]]
BUILDERS: dict[str, Builder] = {"packed": _build_packed, "pile": _build_pile}
