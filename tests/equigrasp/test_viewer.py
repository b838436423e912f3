from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.image import imread

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA
from equigrasp.perception.camera import Intrinsics, fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.plan_result import PlanResult
from equigrasp.scene_mesh import SceneMesh
from equigrasp.viewer import (
    MAX_DRAWN,
    draw_depth,
    draw_grasps,
    draw_shape,
    draw_tsdf,
    gripper_lines,
    save_pictures,
)
from equigrasp.workspace import Workspace

CAMERA = Intrinsics(160, 120, 135.0, 135.0, 80.0, 60.0)
BALL = Primitive(np.array([0.15, 0.15, 0.08]), np.full(3, 0.03), box=False)
DOWN = np.diag([1.0, -1.0, -1.0])


def depth_image():
    return render_primitives([BALL], CAMERA, fixed_view())


def tsdf(encoding):
    import torch

    return fuse_tsdf(
        torch.from_numpy(depth_image()), CAMERA, fixed_view(), encoding=encoding
    ).numpy()


def grasps(count):
    return [Grasp((0.15, 0.15, 0.08), DOWN, 0.06, 1 - i / 100) for i in range(count)]


def test_wireframe_has_tips_at_the_tcp_and_the_opening_between_them():
    lines = gripper_lines(Grasp((0.1, 0.2, 0.06), DOWN, 0.05))
    tips = lines[:2, 0]
    np.testing.assert_allclose(tips.mean(0), [0.1, 0.2, 0.06], atol=1e-12)
    np.testing.assert_allclose(np.ptp(tips, axis=0), [0, 0.05, 0], atol=1e-12)
    assert lines[..., 2].min() == pytest.approx(0.06)  # the hand stands above its tips
    assert lines[..., 2].max() == pytest.approx(0.06 + 0.112)


def test_wireframe_is_that_of_the_hand():
    long = replace(PANDA, finger_depth=0.08, tcp_from_base=0.2)
    lines = gripper_lines(Grasp((0.1, 0.2, 0.06), DOWN, 0.05), long)
    assert lines[2, :, 2] == pytest.approx(0.06 + 0.08)  # the palm, from finger to finger
    assert lines[..., 2].max() == pytest.approx(0.06 + 0.2)


def test_pictures_have_the_size_of_the_workspace():
    wide = Workspace(side=0.6, table_height=0.1)
    figure = draw_tsdf(tsdf("full"), workspace=wide)
    assert figure.axes[0].images[0].get_extent() == [0, 0.6, 0, 0.6]
    assert figure.axes[-1].get_xlim()[1] == pytest.approx(0.6, rel=0.1)
    figure = draw_grasps(depth_image(), CAMERA, fixed_view(), grasps(1), workspace=wide)
    assert figure.axes[1].get_zlim()[1] == pytest.approx(0.6, rel=0.1)


@pytest.mark.parametrize("missing", [0.0, 0.2, 1.0])
def test_depth_picture_takes_missing_readings(missing):
    depth = depth_image()
    depth[np.random.default_rng(0).random(depth.shape) < missing] = np.nan
    figure = draw_depth(depth)
    figure.canvas.draw()
    title = figure.axes[0].get_title()
    assert ("without a reading" in title) == (missing > 0)


@pytest.mark.parametrize("encoding", ["full", "published"])
def test_tsdf_picture_shows_three_slices_and_the_surface(encoding):
    figure = draw_tsdf(tsdf(encoding))
    figure.canvas.draw()
    assert sum(bool(ax.images) for ax in figure.axes) == 3
    assert figure.axes[-1].name == "3d"
    assert len(figure.axes[-1].collections) == 1


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_tsdf_picture_of_an_empty_volume(value):
    draw_tsdf(np.full((40, 40, 40), value, np.float32)).canvas.draw()


@pytest.mark.parametrize("count", [0, 1, 3, MAX_DRAWN + 5])
def test_grasp_picture_draws_each_hand_and_its_outline(count):
    figure = draw_grasps(depth_image(), CAMERA, fixed_view(), grasps(count))
    figure.canvas.draw()
    hands = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert len(hands) == 2 * min(count, MAX_DRAWN)
    assert f"{count} found" in figure.get_suptitle()


def test_grasps_without_a_score_and_a_camera_inside_the_workspace_can_be_drawn():
    inside = fixed_view()
    inside[:3, 3] = 0.15
    unknown = Grasp((0.15, 0.15, 0.08), DOWN, 0.06)
    draw_grasps(depth_image(), CAMERA, inside, [unknown]).canvas.draw()


def test_pictures_are_written_and_hold_something(tmp_path):
    result = PlanResult(grasps(2), "ok", {"total": 0.1}, tsdf("full"))
    paths = save_pictures(
        tmp_path / "new", depth_image(), CAMERA, fixed_view(), result, prefix="a_"
    )
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(p.name for p in paths)
    assert [p.name for p in paths] == ["a_depth.png", "a_tsdf.png", "a_grasps.png"]
    for path in paths:
        picture = imread(path)
        assert min(picture.shape[:2]) > 400
        assert picture[..., :3].std() > 0.03


def shape():
    occupancy = np.zeros((10, 10, 10), np.float32)
    occupancy[3:6, 4:7, 2:5] = 1.0
    return SceneMesh.of(occupancy, 0.3)


@pytest.mark.parametrize("count", [0, 2, 9])
def test_shape_picture_shows_the_surface_from_two_sides_with_the_best_hands(count):
    figure = draw_shape(shape(), grasps(count))
    figure.canvas.draw()
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert len(axes.collections) == 1 + min(count, 3)
    draw_shape(SceneMesh.none("empty_depth")).canvas.draw()


def test_a_shape_is_saved_beside_the_other_pictures(tmp_path):
    result = PlanResult(grasps(2), "ok", {"total": 0.1}, tsdf("full"))
    views = depth_image(), CAMERA, fixed_view()
    paths = save_pictures(tmp_path, *views, result, shape=shape())
    assert [p.name for p in paths] == ["depth.png", "tsdf.png", "grasps.png", "shape.png"]
    assert imread(paths[-1])[..., :3].std() > 0.03
