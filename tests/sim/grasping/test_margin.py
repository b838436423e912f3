"""Margins: what a disturbance is, and that grasps at an edge have less of it."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import make_transform
from sim.grasping.label import label_fast
from sim.grasping.margin import SHIFT, TURN, disturbed
from sim.grasping.propose import Candidates
from sim.scene.renderer import SceneGeometry
from sim.scene.world import World

SIDES = (0.03, 0.12, 0.06)
URDF = """<robot name="x"><link name="base"><inertial><mass value="{mass}"/>
<inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<collision><geometry><box size="0.03 0.12 0.06"/></geometry></collision></link></robot>"""
DOWN = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""The hand points down and closes along x, across the short side of the bar."""


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_disturbances_come_in_opposite_pairs_of_the_stated_size(count, pairs, seed):
    rotations = Rotation.random(count, random_state=seed).as_matrix()
    poses = make_transform(rotations, np.full((count, 3), 0.1))
    found = disturbed(poses, pairs, np.random.default_rng(seed))
    assert found.shape == (count, 2 * pairs, 4, 4)
    moves = found[..., :3, 3] - poses[:, None, :3, 3]
    turns = found[..., :3, :3] @ rotations[:, None].transpose(0, 1, 3, 2)
    vectors = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec().reshape(moves.shape)
    for each, size in ((moves, SHIFT), (vectors, TURN)):
        np.testing.assert_allclose(np.linalg.norm(each, axis=-1), size, rtol=1e-6)
        np.testing.assert_allclose(each[:, ::2], -each[:, 1::2], atol=1e-9)


def margins(folder, along, mass):
    """Margins of grasps straight down on a bar, at distances (m) from its middle."""
    (folder / "bar.urdf").write_text(URDF.format(mass=mass))
    T = np.eye(4)
    T[:3, 3] = 0.15, 0.15, 0.05 + SIDES[2] / 2
    geometry = SceneGeometry([(trimesh.creation.box(SIDES), 1.0, T)])
    tips = np.array([[0.15, 0.15 + y, 0.085] for y in along])
    rotations = np.repeat(DOWN[None], len(tips), 0)
    blank = np.zeros(len(tips), np.uint8)
    candidates = Candidates(tips, rotations, blank, blank.astype(bool))
    with World() as world:
        world.load_table()
        body = world.load_object(folder / "bar.urdf", T)
        labels = label_fast(
            world, geometry, candidates, np.random.default_rng(0), 0.0, margin_pairs=8
        )
        assert world.mass(body) == pytest.approx(mass)
    return labels.yaw_success[:, 0], labels.yaw_margin[:, 0]


def test_grasps_in_the_middle_have_more_margin_than_grasps_at_the_end(tmp_path):
    success, margin = margins(tmp_path, (0.0, 0.058), 0.1)
    assert success.all()
    assert margin[0] > 0.85
    assert margin[1] < margin[0] - 0.2


def test_margins_are_unknown_where_nothing_was_tried_and_zero_for_failures(tmp_path):
    success, margin = margins(tmp_path, (0.0, 0.2), 0.1)
    assert success.tolist() == [True, False]
    assert margin[1] == 0.0


def test_what_is_nearly_too_heavy_has_little_margin(tmp_path):
    (light,), (much,) = margins(tmp_path, (0.0,), 0.3)
    (heavy,), (little,) = margins(tmp_path, (0.0,), 1.75)
    assert light
    assert not heavy or little < much - 0.2
