from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import make_transform
from equigrasp.grasp import CONVENTIONS, Grasp
from equigrasp.hand import PANDA


@st.composite
def grasps(draw):
    rotation = Rotation.random(random_state=draw(st.integers(0, 2**32 - 1))).as_matrix()
    position = [draw(st.floats(0, 0.3)) for _ in range(3)]
    return Grasp(position, rotation, draw(st.floats(0, 0.08)), draw(st.floats(0, 1)))


@given(grasps(), st.sampled_from(sorted(CONVENTIONS)))
def test_conventions_survive_the_round_trip(grasp, convention):
    back = Grasp.from_convention(grasp.to(convention), grasp.width, convention, grasp.score)
    np.testing.assert_allclose(back.T_world_grasp, grasp.T_world_grasp, atol=1e-12)
    assert (back.width, back.score) == (grasp.width, grasp.score)


@given(grasps())
def test_what_each_convention_means(grasp):
    tip, approach, closing = grasp.position, grasp.approach, grasp.rotation[:, 1]
    np.testing.assert_allclose(grasp.to("tcp"), grasp.T_world_grasp)
    vgn, graspnet, graspgen = (grasp.to(name) for name in ("vgn", "graspnet", "graspgen"))
    np.testing.assert_allclose(vgn[:3, 3], tip - 0.05 * approach, atol=1e-12)
    np.testing.assert_allclose(vgn[:3, 2], approach, atol=1e-12)
    np.testing.assert_allclose(graspnet[:3, 0], approach, atol=1e-12)
    np.testing.assert_allclose(graspnet[:3, 1], closing, atol=1e-12)
    np.testing.assert_allclose(graspgen[:3, 2], approach, atol=1e-12)
    np.testing.assert_allclose(graspgen[:3, 0], closing, atol=1e-12)
    np.testing.assert_allclose(graspgen[:3, 3], tip - PANDA.tcp_from_base * approach, atol=1e-12)
    gpd, edge = grasp.to("gpd"), grasp.to("edgegrasp")
    np.testing.assert_allclose(gpd[:3, :3], graspnet[:3, :3], atol=1e-12)
    np.testing.assert_allclose(gpd[:3, 3], tip - 0.05 * approach, atol=1e-12)
    np.testing.assert_allclose(edge[:3, :3], vgn[:3, :3], atol=1e-12)
    # 65 mm from the origin to a contact at no depth, which is 7 mm short of the tips.
    np.testing.assert_allclose(edge[:3, 3] + 0.065 * approach, tip - 0.007 * approach, atol=1e-12)
    for pose in (vgn, graspnet, graspgen, gpd, edge):
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


@given(grasps(), st.sampled_from(sorted(CONVENTIONS)))
def test_conventions_follow_the_hand(grasp, convention):
    long = replace(PANDA, name="long", finger_depth=0.08, tcp_from_base=0.2)
    root, base = dict.fromkeys(("vgn", "gpd"), 0.08), dict.fromkeys(("graspgen", "base"), 0.2)
    behind = (root | base | {"edgegrasp": 0.102}).get(convention, 0.0)
    pose = grasp.to(convention, long)
    np.testing.assert_allclose(pose[:3, 3], grasp.position - behind * grasp.approach, atol=1e-12)
    back = Grasp.from_convention(pose, grasp.width, convention, hand=long)
    np.testing.assert_allclose(back.T_world_grasp, grasp.T_world_grasp, atol=1e-12)


@given(grasps(), st.sampled_from(sorted(CONVENTIONS)), st.floats(0.0, 0.05))
def test_a_depth_of_its_own_lies_on_the_approach(grasp, convention, depth):
    pose = grasp.to(convention, depth=depth)
    moved = grasp.to(convention)[:3, 3] - depth * grasp.approach
    np.testing.assert_allclose(pose[:3, 3], moved, atol=1e-12)
    back = Grasp.from_convention(pose, grasp.width, convention, depth=depth)
    np.testing.assert_allclose(back.T_world_grasp, grasp.T_world_grasp, atol=1e-12)


@given(grasps())
def test_transformed_moves_the_pose_and_keeps_the_rest(grasp):
    T = make_transform(Rotation.from_euler("xyz", [0.1, -2, 3]).as_matrix(), (1, 2, 3))
    moved = grasp.transformed(T)
    np.testing.assert_allclose(moved.T_world_grasp, T @ grasp.T_world_grasp, atol=1e-12)
    assert (moved.width, moved.score) == (grasp.width, grasp.score)


def test_unknown_convention_is_named():
    with pytest.raises(ValueError, match=r"'ros'.*graspgen"):
        Grasp(np.zeros(3), np.eye(3), 0.04).to("ros")


@pytest.mark.parametrize(
    ("position", "rotation"),
    [
        (np.zeros(2), np.eye(3)),
        ([0, 0, np.nan], np.eye(3)),
        (np.zeros(3), 1.1 * np.eye(3)),
        (np.zeros(3), np.diag([1.0, 1, -1])),
        (np.zeros(3), np.eye(4)),
    ],
)
def test_malformed_grasps_are_refused(position, rotation):
    with pytest.raises(ValueError, match="position|rotation"):
        Grasp(position, rotation, 0.04)


@pytest.mark.parametrize("width", [-1e-9, -0.05, float("nan"), float("inf")])
def test_widths_that_no_hand_opens_to_are_refused(width):
    with pytest.raises(ValueError, match="give the opening in metres"):
        Grasp(np.zeros(3), np.eye(3), width)
