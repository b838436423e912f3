"""Plans that are asked for one thing, one place or some directions only."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.data.synthetic import render_primitives
from equigrasp.geometry.transforms import inverse_transform, make_transform
from equigrasp.perception.camera import fixed_view, view_on_sphere
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.planner import GraspPlanner
from equigrasp.testing import turn_grid, turn_matrix
from equigrasp.wanted import ANY, Wanted

DOWN = (0.0, 0.0, -2.0)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def planner():
    return GraspPlanner.from_pretrained("equigiga_pile")


@pytest.fixture(scope="module")
def above():
    """A view in which every thing is seen."""
    return view_on_sphere(0.6, math.radians(35), -math.pi / 2, (0.15, 0.15, 0.1))


@pytest.fixture(scope="module")
def masks(camera, depth_image, above, shapes):
    """The pixels of each thing: where it is the nearest of all."""
    whole = depth_image(above)
    bare = render_primitives([], camera, above)
    alone = [render_primitives([shape], camera, above) for shape in shapes]
    return [(image == whole) & (image < bare) for image in alone]


def nearest(grasp, shapes):
    return int(np.argmin([np.linalg.norm(grasp.position - shape.centre) for shape in shapes]))


def test_under_the_mask_of_a_thing_that_thing_alone_is_grasped(
    planner, camera, depth_image, above, masks, shapes
):
    everything = planner.plan(depth_image(above), camera, above)
    assert {nearest(grasp, shapes) for grasp in everything.grasps} != {0}
    for number, mask in enumerate(masks):
        result = planner.plan(depth_image(above), camera, above, mask=mask)
        assert result.reason in ("ok", "forced")
        assert {nearest(grasp, shapes) for grasp in result.grasps} == {number}
        np.testing.assert_array_equal(result.tsdf, everything.tsdf)


def test_a_mask_of_everything_changes_nothing(planner, camera, depth_image, above, assert_same_set):
    image = depth_image(above)
    plain, masked = (
        planner.plan(image, camera, above, mask=mask) for mask in (None, np.ones(image.shape, int))
    )
    assert_same_set(plain.grasps, masked.grasps, 1e-9)


def test_a_box_is_the_mask_of_its_pixels(planner, camera, depth_image, above, masks):
    rows, columns = masks[1].nonzero()
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    filled = np.zeros_like(masks[1])
    filled[box[1] : box[3], box[0] : box[2]] = True
    first, second = (
        planner.plan(depth_image(above), camera, above, mask=mask) for mask in (box, filled)
    )
    assert first.grasps
    poses = ([grasp.T_world_grasp for grasp in plan.grasps] for plan in (first, second))
    np.testing.assert_array_equal(*poses)


def test_a_mask_of_bare_table_says_so(planner, camera, depth_image, above):
    mask = np.zeros((camera.height, camera.width), bool)
    mask[-20:, :20] = True
    result = planner.plan(depth_image(above), camera, above, mask=mask)
    assert (result.grasps, result.reason) == ([], "empty_mask")


@given(seeds)
def test_directions_are_judged_by_their_angle(seed):
    rng = np.random.default_rng(seed)
    approach = Rotation.random(20, random_state=seed).as_matrix()[..., 2]
    axis, other = rng.standard_normal((2, 3))
    angles = [np.arccos(np.clip(approach @ (a / np.linalg.norm(a)), -1, 1)) for a in (axis, other)]
    wanted = Wanted(approach=axis, within=1.0, forbidden=[(other, 0.7)])
    expected = (angles[0] <= 1.0) & (angles[1] > 0.7)
    found = wanted.admits(torch.from_numpy(approach), None)
    near = np.minimum(abs(angles[0] - 1.0), abs(angles[1] - 0.7)) < 1e-9
    np.testing.assert_array_equal(found[~near], expected[~near])
    turn = make_transform(Rotation.random(random_state=seed // 2).as_matrix(), rng.normal(size=3))
    moved = torch.from_numpy(approach @ turn[:3, :3])  # the same hands, seen from another frame
    np.testing.assert_array_equal(wanted.admits(moved, turn)[~near], expected[~near])


def test_limits_hold_in_the_frame_in_which_grasps_come_back(blob_planner, camera, depth_image):
    turn = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    T = make_transform(turn, (1.0, -2.0, 0.3))  # T_world_workspace
    middle = T[:3, :3] @ (0.15, 0.15, 0.0) + T[:3, 3]
    region = (middle + (-0.2, -0.2, 0.0), (middle[0], *(middle[1:] + (0.2, 0.3))))
    side = tuple(turn @ (1.0, 0.0, 0.0))
    view = (depth_image(), camera, T @ fixed_view())
    back = {"T_workspace_world": inverse_transform(T)}
    all_of_them = blob_planner().plan(*view, **back)
    for wanted in (Wanted(region=region), Wanted(forbidden=[(side, math.radians(80))])):
        result = blob_planner().plan(*view, **back, wanted=wanted)
        assert 0 < len(result.grasps) < len(all_of_them.grasps)
        assert sum(result.dropped.get(reason, 0) for reason in ("region", "approach")) > 0
        for grasp in result.grasps:
            if wanted.region is not None:
                assert (grasp.position >= region[0]).all()
                assert (grasp.position <= region[1]).all()
            else:
                assert grasp.approach @ side < math.cos(math.radians(80))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_limits_turn_with_the_scene(turns, camera, depth_image, blob_planner, assert_same_set):
    tsdf = fuse_tsdf(torch.from_numpy(depth_image()), camera, fixed_view())
    R = turn_matrix(turns).numpy()
    middle = np.array([0.15, 0.15, 0.0])
    T = make_transform(R, middle - R @ middle)
    corners = np.array([[0.02, 0.03, 0.0], [0.16, 0.28, 0.3]])
    turned = np.sort(corners @ R.T + T[:3, 3], axis=0)
    limits = {"within": 0.9}
    plain = Wanted(region=corners, approach=(0.3, 0.1, -1.0), **limits)
    other = Wanted(region=turned, approach=R @ plain.approach, **limits)
    first = blob_planner().plan_tsdf(tsdf, wanted=plain)
    second = blob_planner().plan_tsdf(turn_grid(tsdf, turns), wanted=other)
    assert first.grasps
    assert_same_set([g.transformed(T) for g in first.grasps], second.grasps, 1e-4)


def test_nothing_asked_is_no_limit():
    points = torch.randn(5, 3)
    assert ANY.holds(points, None).all()
    assert ANY.admits(points, None).all()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"region": ((0, 0, 0), (0.1, 0.1, 0))}, "lower corner must lie below"),
        ({"region": "here"}, "region is 'here'"),
        ({"region": ((0, 0, math.nan), (1, 1, 1))}, "give numbers of shape"),
        ({"approach": (0, 0, 0)}, "positive length"),
        ({"approach": (0, 1)}, r"shape \(3,\)"),
        ({"within": 4.0}, "within is 4.0"),
        ({"forbidden": [(DOWN, 0.0)]}, "radians, 0 to pi"),
        ({"forbidden": [DOWN]}, "pairs of direction and angle"),
    ],
)
def test_limits_that_are_none_are_refused(values, told):
    with pytest.raises(ValueError, match=told):
        Wanted(**values)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mask": np.ones((3, 4), bool)}, "one of the same size"),
        ({"mask": np.ones((240, 320))}, "real numbers"),
        ({"mask": (10, 10, 5, 20)}, "is the box"),
        ({"mask": (0, 0, 321, 20)}, "right <= 320"),
        ({"wanted": DOWN}, "give equigrasp.wanted.Wanted"),
    ],
)
def test_what_is_no_mask_and_no_limit_is_refused(options, told, blob_planner, camera, depth_image):
    with pytest.raises(ValueError, match=told):
        blob_planner().plan(depth_image(), camera, fixed_view(), **options)
