"""Proposed grasps: where they lie, how they are turned, and what the camera sees of them."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.data.vocabulary import Source
from equigrasp.hand import PANDA
from equigrasp.workspace import WORKSPACE
from sim.grasping.body import gripper_hulls
from sim.grasping.propose import (
    BORDER,
    MIN_NORMAL_Z,
    depth_range,
    pair_depth,
    propose,
    seen_from,
)
from sim.scene.renderer import SceneGeometry

SIDES = np.array([0.05, 0.04, 0.09])


def box_pose(yaw=0.4):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", yaw).as_matrix()
    T[:3, 3] = (0.15, 0.15, WORKSPACE.table_height + SIDES[2] / 2)
    return T


@pytest.fixture(scope="module")
def geometry():
    return SceneGeometry([(trimesh.creation.box(SIDES), 1.0, box_pose())])


def sample(geometry, count=200, seed=0, **options):
    return propose(geometry, np.random.default_rng(seed), count, **options)


def test_the_same_generator_gives_the_same_grasps(geometry):
    first, again, other = sample(geometry), sample(geometry), sample(geometry, seed=1)
    for name, values in vars(first).items():
        assert np.array_equal(values, vars(again)[name])
    assert not np.array_equal(first.position, other.position)


@given(mix=st.sampled_from([0.0, 0.3, 1.0]), count=st.integers(0, 60), seed=st.integers(0, 999))
def test_counts_and_frames(geometry, mix, count, seed):
    grasps = sample(geometry, count, seed, mix=mix)
    assert len(grasps) == count
    if mix in (0.0, 1.0):
        assert (grasps.source == (Source.ANTIPODAL if mix else Source.NORMAL)).all()
    R = grasps.rotation
    np.testing.assert_allclose(R @ R.swapaxes(1, 2), np.tile(np.eye(3), (count, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(R), 1.0, atol=1e-9)
    root = grasps.position - PANDA.finger_depth * R[:, :, 2]
    assert (root > BORDER).all()
    assert (root[:, :2] < WORKSPACE.side - BORDER).all()
    assert (root[:, 2] < WORKSPACE.side).all()


def test_normal_aligned_grasps_stand_on_faces(geometry):
    grasps = sample(geometry, mix=0.0)
    T = box_pose()
    approach = grasps.rotation[:, :, 2] @ T[:3, :3]
    axis = np.abs(approach).argmax(axis=1)
    rows = np.arange(len(grasps))
    np.testing.assert_allclose(np.abs(approach[rows, axis]), 1.0, atol=1e-5)
    assert (grasps.rotation[:, 2, 2] < -MIN_NORMAL_Z + 1e-6).all()
    root = (grasps.position - PANDA.finger_depth * grasps.rotation[:, :, 2] - T[:3, 3]) @ T[:3, :3]
    depth = -root[rows, axis] * approach[rows, axis] - SIDES[axis] / 2
    assert depth.min() > depth_range(PANDA)[0] - 1e-6
    assert depth.max() < depth_range(PANDA)[1] + 1e-6
    # Every face but the one on the table is used.
    assert {(a, s) for a, s in zip(axis, np.sign(approach[rows, axis]), strict=True)} == {
        (0, 1), (0, -1), (1, 1), (1, -1), (2, -1),
    }  # fmt: skip


def test_antipodal_grasps_close_on_opposite_faces(geometry):
    """An independent ray caster finds both contacts, within the friction cone and the stroke."""
    grasps = sample(geometry, 100, mix=1.0)
    mesh = trimesh.creation.box(SIDES).apply_transform(box_pose())
    closing, approach = grasps.rotation[:, :, 1], grasps.rotation[:, :, 2]
    found = np.zeros(len(grasps), bool)
    for depth in np.linspace(*pair_depth(PANDA), 20):
        line = grasps.position - depth * approach
        for i in np.flatnonzero(mesh.contains(line) & ~found):
            ends, _, faces = mesh.ray.intersects_location(
                np.tile(line[i], (2, 1)), np.stack([closing[i], -closing[i]])
            )
            alignment = mesh.face_normals[faces] @ closing[i]
            opposite = len(faces) == 2 and alignment[0] * alignment[1] < 0
            cone = np.abs(alignment).min() > np.cos(np.pi / 4) - 1e-3
            found[i] = opposite and cone and np.linalg.norm(ends[0] - ends[1]) < PANDA.opening
    assert found.mean() > 0.97  # the scan of depths may skip a pair near an edge


def test_antipodal_hands_are_above_the_table(geometry):
    grasps = sample(geometry, mix=1.0)
    vertices = np.concatenate([hull.vertices for hulls in gripper_hulls(PANDA) for hull in hulls])
    corners = vertices @ grasps.rotation.swapaxes(1, 2) + grasps.position[:, None]
    assert corners[..., 2].min() > WORKSPACE.table_height


def test_seen_points_of_a_convex_body_face_the_eye(geometry):
    rng = np.random.default_rng(2)
    eye = np.array([0.15, -0.37, 0.40])
    samples = geometry.sample_surface(500, rng)
    facing = np.sum(samples.normal * (eye - samples.point), axis=1) > 0
    assert np.array_equal(seen_from(geometry, eye, samples.point), facing)
    assert 0.2 < facing.mean() < 0.8


def test_visible_says_what_is_hidden_behind_another_body():
    wall, target = np.eye(4), np.eye(4)
    wall[:3, 3], target[:3, 3] = (0.15, 0.1, 0.1), (0.15, 0.2, 0.1)
    meshes = trimesh.creation.box((0.28, 0.01, 0.1)), trimesh.creation.box((0.04, 0.04, 0.04))
    geometry = SceneGeometry([(meshes[0], 1.0, wall), (meshes[1], 1.0, target)])
    grasps = sample(geometry, 300, camera_position=(0.15, -0.3, 0.1))
    behind = grasps.position[:, 1] > 0.17
    assert behind.any()
    assert grasps.visible.any()
    assert not grasps.visible[behind & (grasps.position[:, 2] < 0.13)].any()
    assert sample(geometry, 50).visible.all()


def test_an_empty_scene_offers_nothing():
    assert len(sample(SceneGeometry([]), 10)) == 0


def test_a_body_too_wide_for_the_hand_gets_normal_grasps():
    T = np.eye(4)
    T[:3, 3] = (0.15, 0.15, 0.15)
    geometry = SceneGeometry([(trimesh.creation.box((0.1, 0.1, 0.1)), 1.0, T)])
    grasps = sample(geometry, 10, mix=1.0)
    assert (grasps.source == Source.NORMAL).all()
    assert len(grasps) == 10


@pytest.mark.parametrize("options", [{"mix": -0.1}, {"mix": 1.1}, {"count": -1}])
def test_bad_arguments_are_refused(geometry, options):
    with pytest.raises(ValueError, match="give mix"):
        sample(geometry, **options)


def test_a_pair_of_contacts_is_of_one_body():
    """Two boxes overlap by 1 cm in y; from face to face of that centimetre, neither is held."""
    boxes = []
    for y in (0.135, 0.165):
        T = box_pose(0.0)
        T[1, 3] = y
        boxes.append((trimesh.creation.box(SIDES), 1.0, T))
    grasps = sample(SceneGeometry(boxes), 400, mix=1.0)
    closing = np.abs(grasps.rotation[:, :, 1])
    assert len(grasps) == 400
    assert closing[:, 0].max() > 0.99  # along x, the 5 cm that both have for themselves
    assert closing[:, 1].max() < 0.9
