"""The page of a scene: what the server holds, and what a real browser shows of it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from equigrasp.browser import browse, browse_plan
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA
from equigrasp.moment import Moment, hand_mesh, height_colours, plane_pictures
from equigrasp.perception.camera import fixed_view
from equigrasp.planner import GraspPlanner
from equigrasp.predicted import feature_planes, predicted_shape

sys.path.insert(0, str(Path(__file__).parents[1]))

from browsing.chromium import Chromium, find_chromium

DOWN = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def planner():
    return GraspPlanner.from_pretrained("equigiga_pile")


@pytest.fixture(scope="module")
def planned(planner, camera, depth_image):
    return planner.plan(depth_image(), camera, fixed_view())


@pytest.fixture
def shown(planner, planned, camera, depth_image):
    page = browse_plan(
        *(depth_image(), camera, fixed_view(), planned),
        shape=predicted_shape(planner.model, planned.tsdf),
        planes=feature_planes(planner.model, planned.tsdf),
        port=18123,
    )
    yield page
    page.stop()


@pytest.fixture
def stepwise(planned):
    """Three moments: two with grasps, of which one has nothing else, and one with none."""
    points, colours = np.eye(3, dtype=np.float32), np.zeros((3, 3), np.uint8)
    planes = {"xy": np.random.default_rng(0).normal(size=(4, 6, 5))}
    full = {"grasps": planned.grasps, "tsdf": planned.tsdf, "planes": planes}
    one = Moment("**third**", points, colours, [Grasp([0, 0, 0.1], DOWN, 0.05)])
    moments = [Moment("**first**", points, colours, **full), Moment("**second**", points, colours)]
    page = browse([*moments, one], port=18124)
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


def test_what_a_moment_has_takes_the_place_of_what_was_before(stepwise, planned):
    first = stepwise.shown_grasps()
    assert first == planned.grasps
    assert set(stepwise._nodes) == {"/volume", "/hand"}
    assert len(stepwise._pictures) == 1
    stepwise.show(1)
    assert (stepwise._title.content, stepwise._count.content) == ("**second**", "0 of 0 grasps")
    assert (stepwise._nodes, stepwise._pictures) == ({}, [])
    stepwise._lowest.value = 1.0
    stepwise.show(2)
    assert len(stepwise.shown_grasps()) == 1  # unknown scores are not below any
    stepwise._lowest.value = 0.0
    stepwise._boxes["/volume"].value = True
    stepwise.show(0)
    assert stepwise._nodes["/volume"].visible  # a box that was ticked stays so


def test_a_page_of_nothing_is_refused():
    with pytest.raises(ValueError, match="one moment at least"):
        browse([])


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
    nothing = Moment("", np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8))
    with pytest.raises(ImportError, match=r"pip install 'equigrasp\[view\]'"):
        browse([nothing])


needs_chromium = pytest.mark.skipif(
    find_chromium() is None, reason="Debian's package chromium is not installed"
)


@needs_chromium
def test_a_real_browser_shows_the_grasps_and_the_slider_changes_them(shown, planned, tmp_path):
    with Chromium(shown.address, tmp_path) as page:
        everything = f"{len(planned)} of {len(planned)} grasps"
        page.wait_for_text(everything)
        for text in ("predicted shape", "volume", "feature planes"):
            page.wait_for_text(text)
        assert page.evaluate("document.querySelectorAll('img').length") >= 3  # three planes
        before = page.settled()
        assert before.std() > 5  # not a blank page
        page.keep("view_plan")
        page.press_in_slider("lowest score", "End")
        page.wait_for_text(f"0 of {len(planned)} grasps")
        without = page.settled()
        assert np.abs(without - before).max(-1).mean() > 0.1  # hands are gone from the picture
        page.press_in_slider("lowest score", "Home")
        page.wait_for_text(everything)


@needs_chromium
def test_a_real_browser_goes_through_a_round_step_by_step(stepwise, tmp_path):
    with Chromium(stepwise.address, tmp_path) as page:
        page.wait_for_text("first")
        page.press_in_slider("step", "End")
        page.wait_for_text("third")
        page.wait_for_text("1 of 1 grasps")
        page.press_in_slider("step", "Home")
        page.wait_for_text("first")
