"""Scenes of objects at rest: built after a kind, written down, replayed.

Nothing here loads the simulator or a mesh before a scene is built, so that the parent process of a
run can read scenes and look their kinds up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from equigrasp.data.scene_files import SceneRecord
from equigrasp.geometry.transforms import check_rigid
from sim.objects.spec import ObjectSpec, objects_by_id
from sim.scene.kind import SceneKind
from sim.scene.physics import DrawPhysics

if TYPE_CHECKING:
    from sim.scene.simulator import Simulator

MEAN_EXTRA_OBJECTS = 4.0
"""Scenes for training hold Poisson(4) + 1 objects."""


@dataclass(frozen=True, eq=False)
class Body:
    """One object of a scene: id, global scale, and (4, 4) pose of its URDF base frame.

    Attributes:
        mass: in kg; None for what its file says.
        friction: lateral friction; None for what its file says.
    """

    object_id: str
    scale: float
    T_world_object: np.ndarray
    mass: float | None = None
    friction: float | None = None

    def physics(self) -> dict[str, float]:
        """Mass and friction as far as they are not those of the file."""
        both = {"mass": self.mass, "friction": self.friction}
        return {name: value for name, value in both.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene that can be written down and replayed.

    Attributes:
        kind: name of its `SceneKind`.
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
                **b.physics(),
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
    kind: SceneKind,
    objects: Sequence[ObjectSpec],
    rng: np.random.Generator,
    num_objects: int | None,
    world: Simulator,
    *,
    seed: int = 0,
    draw_physics: DrawPhysics | None = None,
) -> Scene:
    """Build a scene in an empty world and leave it there; `world.bodies` maps ids to `Body`.

    The same generator state in a fresh or reset world gives the same scene bit for bit on one
    machine.

    Args:
        kind: says how.
        objects: drawn from with replacement.
        num_objects: objects to place; None draws Poisson(4) + 1, as for training data. Fewer may
            be present in the end: placements fail and objects roll away.
        seed: written into the scene for the record.
        draw_physics: gives every object its mass and friction; None leaves them as they are.

    Raises:
        ValueError: for no objects, a count below 1 or a world with objects.
    """
    if not objects:
        raise ValueError("there are no objects to build a scene from; give a set with some")
    count = int(rng.poisson(MEAN_EXTRA_OBJECTS)) + 1 if num_objects is None else num_objects
    if count < 1:
        raise ValueError(f"num_objects is {count}; a scene needs at least 1")
    _require_empty(world)
    world.draw_physics = draw_physics
    try:
        settled, lost = kind.build(world, objects, rng, count)
    finally:
        world.draw_physics = None
    bodies = record_bodies(world)
    return Scene(kind.name, seed, tuple(bodies), settled, tuple(lost), count)


def record_bodies(world: Simulator) -> list[Body]:
    """Write the present pose of every object into `world.bodies`; return them in loading order."""
    for body, T in world.body_poses().items():
        known = world.bodies[body]
        world.bodies[body] = replace(known, T_world_object=T)
    return list(world.bodies.values())


def load_scene(world: Simulator, scene: Scene, objects: Sequence[ObjectSpec]) -> list[int]:
    """Put a recorded scene into an empty world, at the recorded poses and at rest.

    Returns:
        Body ids in the order of `scene.bodies`.

    Raises:
        ValueError: if an object is not in the given set or the world holds objects already.
    """
    specs = objects_by_id(objects, [b.object_id for b in scene.bodies])
    _require_empty(world)
    return [_add(world, specs[b.object_id], b) for b in scene.bodies]


def add_object(world: Simulator, spec: ObjectSpec, scale: float, T: np.ndarray) -> int:
    """Put an object into a scene, at a (4, 4) pose of its base frame; returns its body id."""
    drawn = (None, None) if world.draw_physics is None else world.draw_physics(spec)
    return _add(
        world, spec, Body(spec.object_id, float(scale), np.array(T, dtype=np.float64), *drawn)
    )


def recorded_scene(record: SceneRecord) -> Scene:
    """The scene that a file of a data set is about; masses and frictions that it does not tell are
    those of the objects' files.

    Args:
        record: see `equigrasp.data.scene_files.read_scene`.
    """
    told = (record.object_mass, record.object_friction)
    physics = zip(
        *([None if np.isnan(x) else float(x) for x in part] for part in told), strict=True
    )
    placed = zip(record.object_id, record.object_scale, record.T_world_object, strict=True)
    bodies = tuple(
        Body(name, float(scale), T, mass, friction)
        for (name, scale, T), (mass, friction) in zip(placed, physics, strict=True)
    )
    return Scene(record.kind, record.seed, bodies, record.settled, (), len(bodies))


def _add(world: Simulator, spec: ObjectSpec, body: Body) -> int:
    number = world.load_object(spec, body.T_world_object, body.scale, **body.physics())
    world.bodies[number] = body
    return number


def settle(world: Simulator) -> tuple[bool, list[str]]:
    """Wait for rest, removing what leaves the workspace.

    Returns:
        Whether all is at rest, and the ids of the objects that were removed.
    """
    before = {body: known.object_id for body, known in world.bodies.items()}
    rested, removed = world.settle()
    return rested, [before[body] for body in removed]


def upright_pose(spec: ObjectSpec, foot: np.ndarray, yaw: float, scale: float) -> np.ndarray:
    """(4, 4) pose of an object that stands upright.

    Args:
        foot: (3,) where the lower face of its bounding box has its centre, metres.
        yaw: turn about z, radians.
    """
    from sim.objects.meshes import load_mesh  # loads mesh libraries

    lower, upper = load_mesh(spec).bounds * scale
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", yaw).as_matrix()
    T[:3, 3] = -T[:3, :3] @ ((lower + upper) / 2)
    T[:2, 3] += foot[:2]
    T[2, 3] = foot[2] - lower[2]
    return T


def _require_empty(world: Simulator) -> None:
    """A world without objects, with its table."""
    if world.bodies:
        raise ValueError(
            f"the world still holds {len(world.bodies)} objects; call world.reset() first"
        )
    if world.table is None:
        world.load_table()


def _body_from(entry: dict[str, Any]) -> Body:
    T = check_rigid(entry["T_world_object"], f"the pose of '{entry['object_id']}'", tolerance=1e-6)
    physics = (None if entry.get(n) is None else float(entry[n]) for n in ("mass", "friction"))
    return Body(str(entry["object_id"]), float(entry["scale"]), T, *physics)
