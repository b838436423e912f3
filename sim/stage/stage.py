"""A PyBullet world for keyframe tasks: a table, objects of plain shapes, and time.

The world is RLBench's: metres, z up, the table's top at z = 0.75, the arm's base behind it at
negative x looking along +x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pybullet
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import Matrix, quaternion_to_transform
from sim.scene.client import Client
from sim.scene.simulator import TIME_STEP
from sim.stage.bodies import Part, PlacedBox, Solid, box, link_arguments, prism

TABLE_TOP = 0.75
TABLE_SIZE = (1.2, 1.4)
TABLE_CENTRE = (0.25, 0.0)
PATCH_HEIGHT = 0.004
"""Patches are this thick (m): enough to be told from the table in a point cloud."""
SOLVER_ITERATIONS = 100
FRICTION = 0.6
"""Lateral coefficient of bodies that ask for no other."""
SETTLING = 0.25
"""Time (s) in which things come to rest."""
TABLE_COLOUR = (0.75, 0.7, 0.62)


class Stage(Client):
    """A table with bodies on it. Use it as a context manager, or call `close`.

    Attributes:
        table: number of its body.
        watchers: called after every step, so that a task can follow what happens.
        tint: what bodies are painted with in place of a colour; until the next reset.
    """

    def __init__(self) -> None:
        super().__init__(SOLVER_ITERATIONS, deterministic_pairs=True)
        self.watchers: list[Callable[[], None]] = []
        self.tint: Callable[[Sequence[float]], Sequence[float]] = tuple
        self.reset()

    def reset(self) -> None:
        """Remove everything but the table, all watchers, and the tint."""
        super().reset()
        self.watchers.clear()
        self.tint = tuple
        half = (TABLE_SIZE[0] / 2, TABLE_SIZE[1] / 2, TABLE_TOP / 2)
        self.table = self.add(box(half), (*TABLE_CENTRE, TABLE_TOP / 2), TABLE_COLOUR, mass=0)

    def step(self, count: int = 1) -> None:
        """Advance time by `count` steps of 1/240 s; watchers look after each."""
        for _ in range(count):
            super().step()
            for watch in self.watchers:
                watch()

    def add(
        self,
        solid: Solid,
        position: Sequence[float],
        colour: Sequence[float],
        *,
        yaw: float = 0.0,
        mass: float = 0.05,
        friction: float = FRICTION,
    ) -> int:
        """A body of one solid; its number.

        Args:
            solid: from `sim.stage.bodies`.
            position: of its middle in the world, metres.
            colour: red, green, blue in [0, 1].
            yaw: about the vertical, radians.
            mass: kg; 0 makes it part of the furniture.
            friction: lateral coefficient.
        """
        visual = self.p.createVisualShape(**solid.seen, rgbaColor=(*self.tint(colour), 1))
        collision = self.p.createCollisionShape(**solid.touched)
        body = self.p.createMultiBody(mass, collision, visual, list(position), _about_z(yaw))
        self.p.changeDynamics(body, -1, lateralFriction=friction, rollingFriction=1e-4)
        return body

    def joined_boxes(
        self,
        boxes: Sequence[PlacedBox],
        position: Sequence[float],
        colour: Sequence[float],
        *,
        yaw: float = 0.0,
        mass: float = 0.1,
    ) -> int:
        """One body of several boxes; its number.

        Args:
            boxes: in the body's frame.
            position: of the body's frame in the world, metres.
            colour, yaw, mass: see `add`.
        """
        solid, seen = self._box_shapes(boxes)
        body = self.p.createMultiBody(mass, solid, seen, list(position), _about_z(yaw))
        self.p.changeVisualShape(body, -1, rgbaColor=(*self.tint(colour), 1))
        self.p.changeDynamics(body, -1, lateralFriction=FRICTION)
        return body

    def jointed(
        self,
        boxes: Sequence[PlacedBox],
        position: Sequence[float],
        colour: Sequence[float],
        parts: Sequence[Part],
        *,
        yaw: float = 0.0,
    ) -> int:
        """Furniture: boxes that stand still, with parts that slide or turn on them; its number.

        Part i is link i of the body; its joint is at 0 at the start.

        Args:
            boxes: that stand still, in the body's frame.
            position: of the body's frame in the world, metres.
            colour: of the boxes that stand still, red, green, blue in [0, 1].
            parts: that move.
            yaw: about the vertical, radians.
        """
        body = self.p.createMultiBody(
            0,
            *self._box_shapes(boxes),
            list(position),
            _about_z(yaw),
            **link_arguments([self._box_shapes(part.boxes) for part in parts], parts),
        )
        self.p.changeVisualShape(body, -1, rgbaColor=(*self.tint(colour), 1))
        for link, part in enumerate(parts):
            self.p.changeVisualShape(body, link, rgbaColor=(*self.tint(part.colour), 1))
            low, high = part.limits
            self.p.changeDynamics(body, link, jointLowerLimit=low, jointUpperLimit=high)
            self.p.setJointMotorControl2(
                body,
                link,
                pybullet.POSITION_CONTROL if part.spring else pybullet.VELOCITY_CONTROL,
                targetPosition=0.0,
                targetVelocity=0.0,
                force=part.spring or part.drag,
            )
        return body

    def joint(self, body: int, link: int) -> float:
        """How far part `link` of furniture has slid (m) or turned (rad)."""
        return float(self.p.getJointState(body, link)[0])

    def patch(
        self,
        half: Sequence[float],
        place: Sequence[float],
        colour: Sequence[float],
        *,
        yaw: float = 0.0,
    ) -> int:
        """A rectangle of colour on the table that nothing touches; its body's number.

        Args:
            half: half sizes along x and y at yaw 0, metres.
            place: x, y of its middle in the world, metres.
            colour: red, green, blue in [0, 1].
            yaw: about the vertical, radians.
        """
        seen = self.p.createVisualShape(
            pybullet.GEOM_BOX,
            halfExtents=[*half, PATCH_HEIGHT / 2],
            rgbaColor=(*self.tint(colour), 1),
        )
        middle = [*place, TABLE_TOP + PATCH_HEIGHT / 2]
        return self.p.createMultiBody(0, -1, seen, middle, _about_z(yaw))

    def outline(
        self, corners: np.ndarray, position: Sequence[float], colour: Sequence[float]
    ) -> int:
        """A convex area that can be seen and not touched; its body's number.

        Args:
            corners: (n, 2) metres, anticlockwise, about its middle.
            position: of the middle in the world, metres.
            colour: red, green, blue in [0, 1].
        """
        visual = prism(corners, 0.001).seen
        seen = self.p.createVisualShape(**visual, rgbaColor=(*self.tint(colour), 1))
        return self.p.createMultiBody(0, -1, seen, list(position))

    def pose(self, body: int) -> Matrix:
        """Pose (4, 4) of a body's base in the world."""
        position, quaternion = self.p.getBasePositionAndOrientation(body)
        return quaternion_to_transform(quaternion, position)

    def position(self, body: int) -> np.ndarray:
        """Position (3,) of a body's base in the world, metres."""
        return np.array(self.p.getBasePositionAndOrientation(body)[0])

    def settle(self) -> None:
        """Let things come to rest: `SETTLING` passes."""
        self.step(round(SETTLING / TIME_STEP))

    def _box_shapes(self, boxes: Sequence[PlacedBox]) -> tuple[int, int]:
        """Collision and visual shape of several boxes."""
        halves, offsets = ([list(part) for part in parts] for parts in zip(*boxes, strict=True))
        kinds = [pybullet.GEOM_BOX] * len(boxes)
        solid = self.p.createCollisionShapeArray(
            shapeTypes=kinds, halfExtents=halves, collisionFramePositions=offsets
        )
        seen = self.p.createVisualShapeArray(
            shapeTypes=kinds, halfExtents=halves, visualFramePositions=offsets
        )
        return solid, seen


def _about_z(yaw: float) -> list[float]:
    return Rotation.from_euler("z", yaw).as_quat().tolist()
