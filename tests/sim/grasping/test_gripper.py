"""The free hand: where its parts are, how it moves and holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.hand import PANDA
from equigrasp.workspace import WORKSPACE
from sim.grasping.body import gripper_hulls
from sim.grasping.gripper import Gripper, quaternion_from_matrix
from sim.scene.world import World

MARGIN = 0.001
"""Bullet's margin around convex hulls."""


@pytest.fixture
def gripper():
    with World() as world:
        world.load_table()
        gripper = Gripper(world)
        gripper.load(gripper.parked)
        yield gripper


def pose(seed, height=0.35):
    T = np.eye(4)
    T[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    T[:3, 3] = (0.15, 0.15, height)
    return T


@given(st.integers(0, 2**32 - 1), st.floats(-1e-7, 1e-7))
def test_quaternions_are_scipys(seed, jitter):
    for R in (
        Rotation.random(random_state=seed),
        Rotation.from_euler("xyz", [np.pi + jitter, jitter, 0]),
        Rotation.from_euler("xyz", [jitter, np.pi, np.pi + jitter]),
    ):
        ours = np.array(quaternion_from_matrix(R.as_matrix()))
        assert abs(abs(ours @ R.as_quat()) - 1.0) < 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_hulls_are_where_bullet_has_them(gripper, seed):
    """Distances to the table tell the lowest point of every link."""
    T = pose(seed)
    gripper.teleport(T, width=0.03)
    for link, (hull,) in zip((-1, 0, 1), gripper_hulls(PANDA, 0.03), strict=True):
        lowest = (hull.vertices @ T[:3, :3].T + T[:3, 3])[:, 2].min() - WORKSPACE.table_height
        found = gripper.world.p.getClosestPoints(gripper.body, gripper.world.table, 1.0, link)
        assert abs(min(point[8] for point in found) + MARGIN - lowest) < 1e-4


def test_load_and_teleport_agree(gripper):
    T = pose(4)
    gripper.teleport(T, width=0.05)
    np.testing.assert_allclose(gripper.tcp_position(), T[:3, 3], atol=1e-9)
    teleported = gripper.world.p.getBasePositionAndOrientation(gripper.body)
    gripper.unload()
    gripper.load(T, width=0.05)
    loaded = gripper.world.p.getBasePositionAndOrientation(gripper.body)
    np.testing.assert_allclose(np.concatenate(teleported), np.concatenate(loaded), atol=1e-12)
    assert gripper.width == pytest.approx(0.05)


def test_the_drive_holds_against_gravity_and_follows(gripper):
    T = pose(1)
    gripper.teleport(T)
    gripper.world.step(240)
    np.testing.assert_allclose(gripper.tcp_position(), T[:3, 3], atol=1e-4)
    T[:3, 3] += (0.01, -0.02, 0.005)
    gripper.drive_to(T)
    gripper.world.step(60)
    np.testing.assert_allclose(gripper.tcp_position(), T[:3, 3], atol=1e-4)


def test_contacts_name_what_is_touched(gripper):
    T = np.diag([1.0, -1.0, -1.0, 1.0])
    T[:3, 3] = (0.15, 0.15, WORKSPACE.table_height - 0.002)
    gripper.teleport(T)
    gripper.world.step(1)
    assert gripper.contacts() == {gripper.world.table}
    forces = gripper.contact_forces()[gripper.world.table]
    assert set(forces) == {0, 1}
    gripper.teleport(gripper.parked)
    gripper.world.step(1)
    assert gripper.contacts() == set()


def test_misuse_is_refused(gripper):
    with pytest.raises(ValueError, match="unload"):
        gripper.load(gripper.parked)
    with pytest.raises(ValueError, match="outside"):
        gripper.set_width(0.09)
