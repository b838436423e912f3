"""Geometry tests against the simulated trial, which is the truth they stand in for."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from equigrasp.hand import PANDA
from equigrasp.workspace import WORKSPACE
from sim.grasping.gripper import Gripper
from sim.grasping.sweep import (
    ContactSweep,
    arrival_offset,
    drive_lag,
    path_offsets,
    table_clearance,
)
from sim.grasping.trial import increments, move, pregrasp
from sim.scene.renderer import SceneGeometry
from sim.scene.world import World

SIDES = (0.05, 0.04, 0.08)
URDF = """<robot name="box"><link name="base"><inertial><mass value="0.2"/>
<inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<collision><geometry><box size="{} {} {}"/></geometry></collision></link></robot>"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Two boxes on the table: (world, open gripper, geometry)."""
    path = tmp_path_factory.mktemp("urdf") / "box.urdf"
    path.write_text(URDF.format(*SIDES))
    with World() as world:
        world.load_table()
        for x, y, yaw in ((0.13, 0.13, 0.3), (0.20, 0.18, 1.2)):
            T = np.eye(4)
            T[:3, :3] = Rotation.from_euler("z", yaw).as_matrix()
            T[:3, 3] = (x, y, WORKSPACE.table_height + 0.0405)
            world.load_object(path, T)
        world.settle()
        mesh = trimesh.creation.box(SIDES)
        geometry = SceneGeometry([(mesh, 1.0, T) for T in world.body_poses().values()])
        gripper = Gripper(world)
        gripper.load(gripper.parked)
        yield world, gripper, geometry


@pytest.fixture
def state(bench):
    """The scene before each test; it is put back afterwards."""
    world = bench[0]
    state = world.save()
    yield state
    world.restore(state)
    world.forget(state)


def random_poses(count, seed=0):
    """Grasps about the boxes, from above and from the side."""
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (count, 1, 1))
    tilt = rng.uniform(np.pi / 2, np.pi, count)
    angles = np.stack([rng.uniform(0, 6.3, count), tilt, rng.uniform(0, 6.3, count)], axis=1)
    poses[:, :3, :3] = Rotation.from_euler("ZXZ", angles).as_matrix()
    poses[:, :3, 3] = rng.uniform((0.08, 0.08, 0.08), (0.25, 0.23, 0.16), (count, 3))
    return poses


def height_over_table(poses):
    return table_clearance(poses, PANDA, WORKSPACE.table_height)


def approach(bench, state, pose):
    """Bodies touched by the simulated approach."""
    world, gripper, _ = bench
    world.restore(state)
    gripper.teleport(pregrasp(pose))
    return move(world, gripper, pose, stop_on_contact=True)[1]


@pytest.mark.parametrize("tilt", [0.0, 1.4])
def test_the_lag_is_the_simulated_one(tilt):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("x", np.pi - tilt).as_matrix()
    pose[:3, 3] = (0.15, 0.15, 0.4)
    count, steps = increments(0.05)
    with World() as world:
        gripper = Gripper(world)
        gripper.load(pregrasp(pose))
        start, travelled = gripper.tcp_position(), []
        T = pose.copy()
        for i in range(1, count + 1):
            T[:3, 3] = start + (pose[:3, 3] - start) * i / count
            gripper.drive_to(T)
            world.step(steps - 1)
            seen = gripper.tcp_position()
            world.step()
            travelled.append(
                [(p - pose[:3, 3]) @ pose[:3, 2] for p in (seen, gripper.tcp_position())]
            )
    seen, arrived = np.array(travelled).T
    np.testing.assert_allclose(path_offsets(), seen, atol=1e-4)
    lag = drive_lag(count, steps, 0.05 / count)
    np.testing.assert_allclose(np.arange(1, count + 1) * 0.002 - lag - 0.05, arrived, atol=1e-4)
    assert abs(arrival_offset() - arrived[-1]) < 1e-4


def test_table_clearance_is_bullets_distance(bench, state):
    world, gripper, _ = bench
    for pose in random_poses(20):
        found = np.full(3, np.inf)
        for offset in path_offsets()[[0, -1]]:
            T = pose.copy()
            T[:3, 3] += offset * pose[:3, 2]
            T[2, 3] += 0.3  # Bullet's distances are exact where nothing overlaps
            gripper.place(T)
            for link in range(3):
                points = world.p.getClosestPoints(gripper.body, world.table, 1.0, link - 1)
                found[link] = min(found[link], *(point[8] - 0.3 for point in points))
        np.testing.assert_allclose(height_over_table(pose), found, atol=2e-4)


def test_contacts_begin_at_the_computed_distance(bench, state):
    """A motionless hand over a box touches it if and only if it is nearer than the limit."""
    world, gripper, _ = bench
    limits = gripper.contact_distances()
    world.restore(state)
    body = next(iter(world.bodies))
    top = np.array(world.p.getBasePositionAndOrientation(body)[0]) + (0, 0, SIDES[2] / 2)
    for finger, link in ((0, -1), (PANDA.opening / 2 + 0.005, 0)):
        for beyond in (-1e-4, 1e-4):
            T = np.diag([1.0, -1.0, -1.0, 1.0])
            T[:3, 3] = top + (0.0, finger, 0.02)
            gripper.place(T)
            points = world.p.getClosestPoints(gripper.body, body, 0.1, link)
            limit = limits[body][link + 1]
            T[2, 3] += limit + beyond - min(point[8] for point in points)
            world.restore(state)
            gripper.teleport(T)
            world.step()
            assert (gripper.contacts() == {body}) == (beyond < 0)


def test_the_table_test_sees_what_the_approach_touches(bench, state):
    world, gripper, _ = bench
    limits = ContactSweep(world, gripper).table_limits
    poses = random_poses(60, seed=1)
    poses[:, :3, 3] += (0.4, 0.0, -0.045)  # beside the boxes, lower
    clear = (height_over_table(poses) > limits).all(axis=1)
    touched = np.array([bool(approach(bench, state, pose)) for pose in poses])
    assert 0.1 < clear.mean() < 0.9
    assert np.array_equal(clear, ~touched)
