"""The page of a scene: what the server holds, and what a real browser shows of it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from equigrasp.browser import SceneBrowser, browse_plan, hand_mesh, height_colours, plane_pictures
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA
from equigrasp.perception.camera import fixed_view
from equigrasp.planner import GraspPlanner
from equigrasp.scene_mesh import SceneMesh

sys.path.insert(0, str(Path(__file__).parents[1]))

from browsing.chromium import Chromium, find_chromium

DOWN = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def planned(camera, depth_image):
    planner = GraspPlanner.from_pretrained("equigiga_pile")
    return planner.plan(depth_image(), camera, fixed_view())


@pytest.fixture
def shown(planned, camera, depth_image):
    box = SceneMesh(np.eye(3) * 0.1, np.array([[0, 1, 2]]), "ok")
    planes = {"xy": np.random.default_rng(0).normal(size=(4, 6, 5))}
    page = browse_plan(
        depth_image(), camera, fixed_view(), planned, shape=box, planes=planes, port=18123
    )
    yield page
    page.stop()


def test_the_slider_hides_grasps_below_a_score(shown, planned):
    assert shown.shown_grasps() == planned.grasps
    scores = sorted(planned.scores)
    shown._lowest.value = float(np.mean(scores[-2:]))
    shown._sift()
    assert len(shown.shown_grasps()) == 1
    assert [wire.visible for wire in shown._wires] == [True] + [False] * (len(planned) - 1)
    assert shown._count.content == f"1 of {len(planned)} grasps"


def test_other_grasps_take_the_place_of_those_before(shown):
    shown.grasps([Grasp([0, 0, 0.1], DOWN, 0.05)])
    shown._lowest.value = 1.0
    assert len(shown.shown_grasps()) == 1  # unknown scores are not below any
    shown.grasps([])
    assert shown._count.content == "0 of 0 grasps"


def test_the_hand_is_two_fingers_and_a_palm():
    vertices, faces = hand_mesh(PANDA, 0.06)
    assert (vertices.shape, faces.shape) == ((24, 3), (36, 3))
    low, high = PANDA.finger_box
    assert np.isclose(abs(vertices[8:, 1]).min(), 0.03 + low[1])
    assert np.isclose(vertices[:, 2].max(), high[2])
    np.testing.assert_allclose(np.sort(vertices[8:16, 1]), np.sort(-vertices[16:, 1]))
    triangles = vertices[faces].reshape(3, 12, 3, 3)
    for number, box in enumerate((PANDA.palm_box, PANDA.finger_box, PANDA.finger_box)):
        a, b, c = (triangles[number, :, corner] for corner in range(3))
        volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6  # outward faces: positive
        assert volume == pytest.approx(np.prod(np.subtract(box.upper, box.lower)), rel=1e-4)


def test_pictures_of_planes_have_x_to_the_right_and_turn_with_them():
    plane = np.zeros((3, 4, 5))
    plane[:, 3, 0] = 2.0  # last in x, first in the other axis: lower right
    picture = plane_pictures({"xy": plane})["xy"]
    assert picture.shape == (5 * 6, 4 * 6, 3)
    bright = np.argwhere(picture[..., 0] == 255)
    assert (bright.min(0) == (24, 18)).all()
    square = np.random.default_rng(0).normal(size=(3, 6, 6))
    turned = np.rot90(square, 1, (1, 2))  # x -> y, as a quarter turn of the workspace
    np.testing.assert_array_equal(
        plane_pictures({"a": turned})["a"], np.rot90(plane_pictures({"a": square})["a"], 1)
    )


def test_the_table_is_grey_and_things_are_not():
    points = np.array([[0, 0, 0.05], [0, 0, 0.055], [0, 0, 0.06], [0, 0, 0.5]])
    colours = height_colours(points, 0.05)
    assert (colours[:2] == 170).all()
    assert colours[2].tolist() != colours[3].tolist()
    assert np.ptp(colours[2:], axis=1).min() > 30


def test_what_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(ImportError, match=r"pip install 'equigrasp\[view\]'"):
        SceneBrowser()


@pytest.mark.skipif(find_chromium() is None, reason="Debian's package chromium is not installed")
def test_a_real_browser_shows_the_grasps_and_the_slider_changes_them(shown, planned, tmp_path):
    with Chromium(shown.address, tmp_path) as page:
        everything = f"{len(planned)} of {len(planned)} grasps"
        page.wait_for_text(everything)
        page.wait_for_text("predicted shape")
        before = page.screenshot()
        assert before.std() > 5  # not a blank page
        page.press_in_slider("lowest score", "End")
        page.wait_for_text(f"0 of {len(planned)} grasps")
        page.press_in_slider("lowest score", "Home")
        page.wait_for_text(everything)
