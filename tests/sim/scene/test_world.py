"""Frames, rest, clean-up and snapshots of the simulated world."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.workspace import WORKSPACE
from sim.scene.base import REST_CHUNK
from sim.scene.world import World

URDF = """<robot name="box"><link name="base">
<inertial><origin xyz="{com}" rpy="0.3 -0.2 0.9"/><mass value="0.1"/>
<inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<collision><geometry><box size="{x} {y} {z}"/></geometry></collision>
</link></robot>"""


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """Path of a 4 x 6 x 8 cm box whose centre of mass lies off its frame's origin."""
    path = tmp_path_factory.mktemp("urdf") / "box.urdf"
    path.write_text(URDF.format(com="0.004 0.003 -0.01", x=0.04, y=0.06, z=0.08))
    return path


@pytest.fixture
def world():
    with World() as world:
        world.load_table()
        yield world


def pose(position, rotation=None):
    T = np.eye(4)
    T[:3, 3] = position
    if rotation is not None:
        T[:3, :3] = rotation
    return T


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.3, 2.0))
def test_poses_are_those_of_the_urdf_frame(box, seed, scale):
    rng = np.random.default_rng(seed)
    T = pose(rng.uniform(0, 0.3, 3), Rotation.random(random_state=seed).as_matrix())
    with World() as world:
        body = world.load_object(box, T, scale)
        np.testing.assert_allclose(world.pose(body), T, atol=1e-6)
        # Rays along the frame's axes say where the shape really is.
        world.p.performCollisionDetection()
        for axis, half in enumerate((0.02, 0.03, 0.04)):
            for sign in (-1.0, 1.0):
                start = T[:3, 3] + sign * T[:3, axis]
                hit = world.p.rayTest(start, T[:3, 3])[0]
                assert hit[0] == body
                assert abs(hit[2] - (1.0 - scale * half)) < 1e-4


def test_a_dropped_box_rests_on_the_table(box, world):
    body = world.load_object(box, pose((0.15, 0.15, WORKSPACE.table_height + 0.05)))
    world.step(5)
    assert not world.at_rest()
    rested, lost = world.settle()
    assert rested
    assert world.at_rest()
    assert lost == []
    assert abs(world.pose(body)[2, 3] - WORKSPACE.table_height - 0.04) < 1e-3
    hit = world.p.rayTest((0.05, 0.05, 0.3), (0.05, 0.05, 0.0))[0]
    assert hit[0] == world.table
    assert abs(hit[3][2] - WORKSPACE.table_height) < 1e-6


def test_rest_is_given_up_after_the_timeout(box):
    with World() as world:
        world.load_object(box, pose((0.15, 0.15, 10.0)))
        steps = []
        world.step = lambda count: (steps.append(count), World.step(world, count))
        assert not world.wait_for_rest(timeout=0.6)
        assert steps == [REST_CHUNK] * 3


def test_what_leaves_the_workspace_is_removed(box, world):
    inside = world.load_object(box, pose((0.15, 0.15, 0.091)))
    outside = world.load_object(box, pose((0.34, 0.15, 0.091)))
    count = world.p.getNumBodies()
    rested, lost = world.settle()
    assert rested
    assert lost == [outside]
    assert list(world.bodies) == [inside]
    assert world.p.getNumBodies() == count - 1


def test_restores_of_one_snapshot_share_one_future(box, world):
    for i in range(3):
        rotation = Rotation.random(random_state=i).as_matrix()
        world.load_object(box, pose((0.14 + 0.01 * i, 0.15, 0.12 + 0.09 * i), rotation))
    world.step(30)
    state, futures = world.save(), []
    for _ in range(3):
        world.restore(state)
        world.step(200)
        futures.append(np.stack(list(world.body_poses().values())))
    assert np.array_equal(futures[0], futures[1])
    assert np.array_equal(futures[0], futures[2])


def test_equal_worlds_have_equal_futures(box):
    futures = []
    for _ in range(2):
        with World() as world:
            world.load_table()
            body = world.load_object(
                box, pose((0.15, 0.15, 0.2), Rotation.random(random_state=3).as_matrix())
            )
            world.step(300)
            futures.append(world.pose(body))
    assert np.array_equal(*futures)


def test_a_snapshot_of_other_bodies_is_refused(box, world):
    first = world.load_object(box, pose((0.15, 0.15, 0.091)))
    world.load_object(box, pose((0.15, 0.25, 0.091)))
    state = world.save()
    world.remove(first)
    with pytest.raises(ValueError, match="added or removed"):
        world.restore(state)


def test_reset_empties_the_world(box, world):
    world.load_object(box, pose((0.15, 0.15, 0.091)))
    world.reset()
    assert world.bodies == {}
    assert world.table is None
    assert world.p.getNumBodies() == 0


def test_a_broken_urdf_is_named(tmp_path, world):
    path = tmp_path / "broken.urdf"
    path.write_text("<robot")
    with pytest.raises(ValueError, match=r"broken\.urdf"):
        world.load_object(path, np.eye(4))


def test_solver_iterations_are_checked(world):
    with pytest.raises(ValueError, match="at least 1"):
        world.set_solver_iterations(0)


def test_close_removes_generated_files():
    world = World()
    (world.scratch / "file").write_text("x")
    world.close()
    world.close()
    assert not world.scratch.exists()
