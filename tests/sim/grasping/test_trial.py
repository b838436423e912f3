"""Trials on boxes whose outcome is plain to see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA
from equigrasp.workspace import WORKSPACE
from sim.grasping.gripper import Gripper
from sim.grasping.trial import (
    RETREAT_DISTANCE,
    Fate,
    execute_grasp,
    increments,
    pregrasp,
    retreat_offset,
)
from sim.scene.world import World

URDF = """<robot name="box"><link name="base">
<contact><lateral_friction value="{friction}"/></contact>
<inertial><mass value="{mass}"/>
<inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<collision><geometry><box size="0.05 0.04 0.06"/></geometry></collision>
</link></robot>"""


class Bench:
    """A world with boxes of 5 x 4 x 6 cm."""

    def __init__(self, world, folder):
        self.world, self.folder = world, folder
        world.load_table()
        self.gripper = Gripper(world)

    def box(self, x, y, mass=0.1, friction=1.0):
        path = self.folder / f"box_{mass}_{friction}.urdf"
        path.write_text(URDF.format(mass=mass, friction=friction))
        T = np.eye(4)
        T[:3, 3] = (x, y, WORKSPACE.table_height + 0.0305)
        body = self.world.load_object(path, T)
        self.world.settle()
        return body

    def grasp(self, T, **options):
        options = {"allow_contact": False, "remove_object": False} | options
        return execute_grasp(self.world, self.gripper, T, **options)


@pytest.fixture
def bench(tmp_path):
    with World() as world:
        yield Bench(world, tmp_path)


def down(x, y, z, yaw=0.0):
    T = np.eye(4)
    T[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("z", yaw).as_matrix()
    T[:3, 3] = (x, y, z)
    return T


def test_a_box_between_the_fingers_is_lifted(bench):
    body = bench.box(0.15, 0.15)
    outcome = bench.grasp(down(0.15, 0.15, 0.075))
    assert outcome.success
    assert outcome.fate == Fate.SUCCESS
    assert outcome.body == body
    assert abs(outcome.width - 0.04) < 0.003
    assert bench.world.p.getNumBodies() == 2  # the gripper it loaded is gone


@pytest.mark.parametrize("loaded", [False, True])
def test_fresh_and_persistent_grippers_agree(bench, loaded):
    bench.box(0.15, 0.15)
    if loaded:
        bench.gripper.load(bench.gripper.parked)
    assert bench.grasp(down(0.15, 0.15, 0.075)).success
    assert (bench.gripper.body is not None) == loaded


def test_the_mirrored_hand_grasps_the_same(bench):
    bench.box(0.15, 0.15)
    state = bench.world.save()
    widths = []
    for yaw in (0.0, np.pi):
        bench.world.restore(state)
        outcome = bench.grasp(down(0.15, 0.152, 0.075, yaw))
        assert outcome.success
        widths.append(outcome.width)
    assert abs(widths[0] - widths[1]) < 1e-3


def test_collisions_are_told_by_when_they_happen(bench):
    bench.box(0.15, 0.15)
    state = bench.world.save()
    for T, fate in (
        (down(0.15, 0.19, 0.075), Fate.COLLISION_APPROACH),  # a finger comes down on the box
        (down(0.15, 0.15, 0.02), Fate.COLLISION_APPROACH),  # the table is in the way
        (down(0.15, 0.19, 0.055), Fate.COLLISION_START),
        (down(0.05, 0.05, 0.075), Fate.EMPTY_CLOSE),
    ):
        bench.world.restore(state)
        outcome = bench.grasp(T)
        assert (outcome.success, outcome.body) == (False, None)
        assert outcome.fate == fate
        if fate != Fate.EMPTY_CLOSE:
            assert outcome.width == PANDA.opening
            assert outcome.touched


@pytest.mark.parametrize(("mass", "friction"), [(30.0, 1.0), (0.5, 0.02)])
def test_what_cannot_be_held_slips(bench, mass, friction):
    bench.box(0.15, 0.15, mass, friction)
    outcome = bench.grasp(down(0.15, 0.15, 0.075))
    assert not outcome.success
    assert outcome.fate == Fate.SLIPPED


def test_evaluation_goes_on_after_a_contact(bench):
    """A finger grazes the neighbour on its way to the box, which is then lifted and removed."""
    body, neighbour = bench.box(0.15, 0.15), bench.box(0.15, 0.2365)
    T = down(0.15, 0.155, 0.075)
    state = bench.world.save()
    assert bench.grasp(T).fate in (Fate.COLLISION_APPROACH, Fate.COLLISION_START)
    bench.world.restore(state)
    outcome = bench.grasp(T, allow_contact=True, remove_object=True)
    assert neighbour in outcome.touched
    assert outcome.success
    assert outcome.body == body
    assert list(bench.world.bodies) == [neighbour]


def test_grasps_are_accepted_as_poses(bench):
    bench.box(0.15, 0.15)
    T = down(0.15, 0.15, 0.075)
    assert bench.grasp(Grasp(T[:3, 3], T[:3, :3], 0.05)).success


@pytest.mark.parametrize("bad", [np.eye(3), np.full((4, 4), np.nan)])
def test_bad_poses_are_refused(bench, bad):
    with pytest.raises(ValueError, match="finite"):
        bench.grasp(bad)


def test_the_approach_has_the_published_increments():
    assert increments(0.05) == (25, 4)
    assert increments(np.nextafter(0.05, 0.0)) == (25, 4)
    assert increments(RETREAT_DISTANCE) == (50, 4)


@given(st.integers(0, 2**32 - 1))
def test_retreats_go_up(seed):
    T = np.eye(4)
    T[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    offset = retreat_offset(T)
    assert np.linalg.norm(offset) == pytest.approx(RETREAT_DISTANCE)
    assert offset[2] >= RETREAT_DISTANCE / 2 - 1e-9
    steep = -T[2, 2] > 0.5
    expected = -RETREAT_DISTANCE * T[:3, 2] if steep else [0, 0, RETREAT_DISTANCE]
    np.testing.assert_allclose(offset, expected)
    np.testing.assert_allclose(pregrasp(T)[:3, 3], -0.05 * T[:3, 2])
