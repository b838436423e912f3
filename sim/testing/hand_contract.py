"""What every hand keeps to, in its description and in simulation.

    class TestMine(HandContract):
        hand = load_hand("my_hand.yaml")
        simulator = "pybullet"  # or "mujoco"

in a test module checks a hand: that it is written down whole, that its shapes, its opening and its
grasp frame are where it says, that it lifts what it should, and that the shortened labelling of
data generation comes to the same as full trials with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from equigrasp.data.vocabulary import Fate
from equigrasp.hand import Hand
from equigrasp.testing.require import require
from sim.grasping.body import gripper_hulls
from sim.grasping.free_hand import FreeHand
from sim.grasping.hands import free_hand
from sim.grasping.label import Labels, label_fast, label_reference
from sim.grasping.propose import propose
from sim.grasping.sweep import ContactSweep, ray_collision, region_empty, table_clearance
from sim.grasping.trial import TrialOutcome, execute_grasp, move, pregrasp
from sim.scene.choice import PUBLISHED_SIMULATOR, open_world
from sim.scene.renderer import SceneGeometry
from sim.scene.simulator import Simulator

PLACE, TILT, YAW = (0.15, 0.15), 0.3, 1.2
SHAPE_SLACK = 0.004
"""How far a hull may lie from the box that describes it, metres."""
TIP_SLACK = 0.0015
"""How far tips and pads may lie from where the hand says, metres."""
PLATE = 0.001
"""Thickness (m) of what is put between the pads to tell how far apart they are."""
URDF = """<robot name="box"><link name="base"><inertial><mass value="0.1"/>
<inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<contact><lateral_friction value="1.0"/></contact>
<collision><geometry><box size="{} {} {}"/></geometry></collision></link></robot>"""


class HandContract:
    """Test methods for a hand; see the module."""

    hand: Hand
    simulator: str = PUBLISHED_SIMULATOR

    def test_it_is_written_down_whole(self) -> None:
        """What a card or a manifest holds describes the same hand, and no folder of a machine."""
        written = json.loads(json.dumps(self.hand.to_dict()))
        again = Hand.of(written)
        require(again.differences(self.hand) == [], f"comes back as another hand: {written}")
        require(Hand.of(again) is again, "a hand is not taken as it is")
        moved = Hand.of(json.loads(json.dumps(self.hand.to_dict(folders=True))))
        require(moved == self.hand, f"another process would get another hand: {moved}")

    def test_its_shapes_fit_its_boxes(self) -> None:
        """Hulls of palm and fingers fill the boxes of the description, closed and open."""
        palm_top = self.hand.palm_box.upper[2]
        for width in (0.0, self.hand.opening):
            palm, left, right = (_bounds(part) for part in gripper_hulls(self.hand, width))
            _require_near(palm, np.array(self.hand.palm_box), SHAPE_SLACK, "the palm")
            # A finger may begin anywhere in the palm: what counts is what stands out of it.
            finger = np.array(self.hand.finger_box)
            for name, bounds, turn in (("left", left, 1.0), ("right", right, -1.0)):
                bounds = np.sort(bounds * (1.0, turn, 1.0) - (0.0, width / 2, 0.0), axis=0)
                bounds[0, 2] = max(bounds[0, 2], palm_top)
                wanted = np.maximum(finger, (-np.inf, -np.inf, palm_top))
                _require_near(bounds, wanted, SHAPE_SLACK, f"the {name} finger, {width} m open")
        short = abs(palm_top + self.hand.finger_depth)
        require(
            short <= 0.1 * self.hand.finger_depth + 1e-9,
            f"the palm ends {palm_top} m before the tips, the finger depth is "
            f"{self.hand.finger_depth} m",
        )

    def test_the_tcp_is_between_the_finger_tips(self) -> None:
        """In the hulls, and in the simulator: it points at the table and is as high as its TCP."""
        _, left, right = (_bounds(part) for part in gripper_hulls(self.hand))
        tips = [float(left[1, 2]), float(right[1, 2])]
        require(max(map(abs, tips)) < TIP_SLACK, f"finger tips {tips} m beyond the TCP")
        with open_world(self.simulator) as world:
            table, gripper = world.load_table(), free_hand(world, self.hand)
            T = _downwards((*PLACE, world.workspace.table_height + 0.05))
            gripper.load(T)
            error = float(np.abs(gripper.tcp_position() - T[:3, 3]).max())
            require(error < 1e-6, f"the loaded TCP is {error} m from where it was asked for")
            height = min(d for _, d in gripper.clearances(table, 1.0)) + world.contact_margin
            require(abs(height - 0.05) < TIP_SLACK, f"{height} m over the table, asked for 0.05 m")

    def test_the_fingers_go_where_they_are_told(self) -> None:
        """Motors close and open them, evenly, and the gap between the pads is the width."""
        opening = self.hand.opening
        with open_world(self.simulator) as world:
            gripper = free_hand(world, self.hand)
            gripper.load(gripper.parked)
            for width in (0.0, opening, opening / 2):
                gripper.command_width(width)
                world.step(240)
                require(abs(gripper.width - width) < 1e-3, f"{gripper.width} m, told {width} m")
                left, right = gripper.fingers
                require(abs(left - right) < 1e-3, f"uneven: {left} m and {right} m")
            T = gripper.parked
            T[:3, 3] -= 0.25 * self.hand.finger_depth * T[:3, 2]
            plate = world.load_urdf(_box_urdf(world, (0.2, PLATE, 0.004)), T)
            for width in (opening, opening / 2):
                gripper.set_width(width)
                found = dict.fromkeys(range(3), np.inf)
                for part, distance in gripper.clearances(plate, 1.0):
                    found[part] = min(found[part], distance + world.contact_margin)
                gap = found[1] + found[2] + PLATE
                require(abs(gap - width) < 2 * TIP_SLACK, f"pads {gap} m apart, width {width} m")

    def test_it_lifts_a_box_that_fits_and_no_wider_one(self) -> None:
        """A box of half the opening comes along; one wider than the opening stops the hand."""
        for share, fates in ((0.5, {Fate.SUCCESS}), (1.1, COLLISIONS)):
            with open_world(self.simulator) as world:
                body, outcome = self._grasp_box(world, share * self.hand.opening)
                lifted = outcome.body == body
            require(
                outcome.fate in fates and lifted == outcome.success,
                f"a box of {share} times the opening: {outcome}",
            )
            if outcome.success:
                held = outcome.width / self.hand.opening
                require(abs(held - share) < 0.1, f"holds a box of half its opening at {held} of it")

    def test_the_sweep_sees_what_an_approach_touches(self) -> None:
        """Rays, clearances and the height over the table against simulated approaches."""
        with self._bench() as (world, gripper, geometry):
            state, sweep = world.save(), ContactSweep(world, gripper)
            poses = self._poses(world, 250)
            height, margin = world.workspace.table_height, world.contact_margin
            above = table_clearance(poses, self.hand, height, margin)
            clear = (above > sweep.table_limits).all(axis=1)
            rays = ray_collision(geometry, poses, self.hand, margin)
            exact = np.array([sweep.collides(pose) for pose in poses])
            touched = np.zeros(len(poses), bool)
            for i, pose in enumerate(poses):
                world.restore(state)
                gripper.teleport(pregrasp(pose))
                touched[i] = bool(move(world, gripper, pose, stop_on_contact=True)[1])
        said = f"{len(poses)} approaches, {touched.sum()} with a contact"
        require(0.1 < touched.mean() < 0.95, f"{said}: these poses say nothing")
        same = ((exact | ~clear) == touched).mean()
        require(same > 0.98, f"{said}: the sweep agrees with {same:.3f} of them")
        seen = rays[touched & clear].mean()
        require(seen > 0.75, f"{said}: rays settle {seen:.2f} of them, sweeps the rest")
        require(bool(exact[rays].all()), f"{said}: rays reject what the sweep lets pass")
        free = int((rays & ~touched).sum())
        require(free == 0, f"{said}: rays reject {free} free ones")

    def test_an_empty_region_closes_empty(self) -> None:
        """Where no ray meets anything between the pads, the hand ends up closed."""
        with self._bench() as (world, gripper, geometry):
            state, closed = world.save(), []
            poses = self._poses(world, 250)
            empty = region_empty(geometry, poses, self.hand)
            for pose in poses[empty]:
                world.restore(state)
                gripper.teleport(pregrasp(pose))
                if len(closed) < 12 and not move(world, gripper, pose, stop_on_contact=True)[1]:
                    gripper.close()
                    world.step(240)
                    closed.append(gripper.width)
            middle = [T @ np.diag([1.0, -1.0, -1.0, 1.0]) for T in world.body_poses().values()]
            filled = ~region_empty(geometry, np.array(middle), self.hand)
        require(len(closed) > 3, f"only {len(closed)} of {empty.sum()} empty regions are free")
        require(max(closed) < 0.1 * self.hand.opening, f"closed to {closed} m around nothing")
        require(bool(filled.all()), "a box between the pads goes unseen")

    def test_fast_labels_are_those_of_full_trials(self) -> None:
        """Grasps are proposed for this hand, some succeed, and both labellers agree on which."""
        with self._bench() as (world, gripper, geometry):
            gripper.unload()
            rng = np.random.default_rng(0)
            grasps = propose(geometry, rng, 30, hand=self.hand)
            require(len(grasps) == 30, f"{len(grasps)} grasps proposed, asked for 30")
            full = label_reference(world, grasps, self.hand)
            fast = label_fast(world, geometry, grasps, rng, 0.0, hand=self.hand)
        self._require_agreement(full, fast)

    def _require_agreement(self, full: Labels, fast: Labels) -> None:
        good = full.point_success
        require(2 < good.sum() < 28, f"{good.sum()} of 30 grasps succeed: these say nothing")
        points = int((good != fast.point_success).sum())
        yaws = int((full.yaw_success != fast.yaw_success).sum())
        require(points <= 1 and yaws <= 3, f"the labels of {points} points, {yaws} yaws differ")
        unclosed = fast.yaw_width[fast.yaw_fate == Fate.STATIC_COLLISION]
        require(
            bool(np.allclose(unclosed, self.hand.opening)),
            "a hand that never closed is not recorded as open",
        )

    def _sides(self, width: float) -> np.ndarray:
        """(3,) of a box of some width, high enough for the hand's fingers."""
        return np.array([0.03, width, self.hand.finger_depth + 0.02])

    def _grasp_box(self, world: Simulator, width: float) -> tuple[int, TrialOutcome]:
        world.load_table()
        sides = self._sides(width)
        body = _load_box(world, sides, (*PLACE, 0.0))
        world.settle()
        top = world.workspace.table_height + sides[2]
        T = _downwards((*PLACE, top - 0.6 * self.hand.finger_depth))
        return body, execute_grasp(world, free_hand(world, self.hand), T)

    @contextmanager
    def _bench(self) -> Iterator[tuple[Simulator, FreeHand, SceneGeometry]]:
        """Two boxes of half the opening on the table; the open hand, out of the way."""
        sides = self._sides(self.hand.opening / 2)
        with open_world(self.simulator) as world:
            world.load_table()
            _load_box(world, sides, (0.11, 0.12, TILT))
            _load_box(world, sides, (0.20, 0.18, YAW))
            world.settle()
            mesh = trimesh.creation.box(sides)
            geometry = SceneGeometry([(mesh, 1.0, T) for T in world.body_poses().values()])
            gripper = free_hand(world, self.hand)
            gripper.load(gripper.parked)
            yield world, gripper, geometry

    def _poses(self, world: Simulator, count: int) -> np.ndarray:
        """(count, 4, 4) grasps about the boxes, from above and from the side."""
        rng = np.random.default_rng(0)
        poses = np.tile(np.eye(4), (count, 1, 1))
        tilt = rng.uniform(np.pi / 2, np.pi, count)
        angles = np.stack([rng.uniform(0, 6.3, count), tilt, rng.uniform(0, 6.3, count)], axis=1)
        poses[:, :3, :3] = Rotation.from_euler("ZXZ", angles).as_matrix()
        low = world.workspace.table_height + 0.02
        high = low + self._sides(0.0)[2] + 0.03
        poses[:, :3, 3] = rng.uniform((0.05, 0.05, low), (0.26, 0.26, high), (count, 3))
        return poses


COLLISIONS = {Fate.COLLISION_START, Fate.COLLISION_APPROACH}


def _downwards(position: Sequence[float]) -> np.ndarray:
    T = np.diag([1.0, -1.0, -1.0, 1.0])
    T[:3, 3] = position
    return T


def _load_box(world: Simulator, sides: np.ndarray, place: Sequence[float]) -> int:
    """A box on the table at x, y and yaw; its body id."""
    x, y, yaw = place
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", yaw).as_matrix()
    T[:3, 3] = x, y, world.workspace.table_height + sides[2] / 2 + 5e-4
    return world.load_object(_box_urdf(world, sides), T)


def _box_urdf(world: Simulator, sides: Sequence[float]) -> Path:
    path = world.scratch / f"box{len(list(world.scratch.iterdir()))}.urdf"
    path.write_text(URDF.format(*sides))
    return path


def _bounds(hulls: Sequence[trimesh.Trimesh]) -> np.ndarray:
    """(2, 3) lower and upper corner of the box around hulls."""
    corners = np.stack([hull.bounds for hull in hulls])
    return np.stack([corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)])


def _require_near(found: np.ndarray, wanted: np.ndarray, slack: float, what: str) -> None:
    away = np.abs(found - wanted).max()
    require(away < slack, f"{what} fills {found.round(4).tolist()}, its box is {wanted.tolist()}")
