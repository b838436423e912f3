"""Feature planes and shapes: where things are in them, and what a quarter turn does to them."""

import numpy as np
import pytest
import torch

from equigrasp import build_model, load_model
from equigrasp.models.equigiga import EquiGIGA
from equigrasp.nn.freeze import freeze
from equigrasp.perception.camera import fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.predicted import feature_planes, predicted_shape
from equigrasp.scene_mesh import SceneMesh
from equigrasp.testing import turn_grid


@pytest.fixture(scope="module")
def tsdf(camera, depth_image):
    return fuse_tsdf(torch.as_tensor(depth_image()), camera, fixed_view())


def test_planes_beside_which_a_model_looks_at_points_are_shown_too(tsdf):
    planes = feature_planes(EquiGIGA(fields=2, head_fields=4, head_blocks=1, near=2), tsdf)
    assert {axes: plane.shape for axes, plane in planes.items()} == dict.fromkeys(
        ("xy", "xz", "yz"), (8, 40, 40)
    )


@pytest.mark.parametrize("name", ["equigiga_pile", "equiigd_pile"])
def test_planes_turn_with_the_scene(name, tsdf):
    model = load_model(name)
    here, there = feature_planes(model, tsdf), feature_planes(model, turn_grid(tsdf, 1))
    length = {axes: np.linalg.norm(plane, axis=0) for axes, plane in here.items()}
    turned = {axes: np.linalg.norm(plane, axis=0) for axes, plane in there.items()}
    scale = max(plane.max() for plane in length.values())
    close = {"atol": 1e-5 * scale}
    np.testing.assert_allclose(turned["xy"], np.rot90(length["xy"]), **close)
    np.testing.assert_allclose(turned["xz"], length["yz"][::-1], **close)  # x is -y of before
    np.testing.assert_allclose(turned["yz"], length["xz"], **close)
    assert np.abs(turned["xz"] - length["xz"]).max() > 0.1 * scale  # it is no symmetric scene


@pytest.mark.parametrize("name", ["giga", "equigiga"])
def test_planes_are_laid_out_by_their_axes(name):
    """What is at one end of x alone changes the planes that have x at that end, and no others."""
    model = freeze(build_model(name, depth=1)).eval()
    empty = torch.full((40,) * 3, 0.9)
    marked = empty.clone()
    marked[36, 18:22, 4:8] = 0.5
    before, after = feature_planes(model, empty), feature_planes(model, marked)
    change = {axes: np.linalg.norm(after[axes] - before[axes], axis=0) for axes in before}
    assert set(change) == {"xy", "xz", "yz"}
    places = {axes: np.unravel_index(each.argmax(), each.shape) for axes, each in change.items()}
    middle = {"x": 36, "y": 19.5, "z": 5.5}
    for axes, place in places.items():
        assert np.abs(np.subtract(place, [middle[axis] for axis in axes])).max() < 4, axes


def test_models_without_planes_or_occupancy_give_none(tsdf):
    model = build_model("vgn").eval()
    assert feature_planes(model, tsdf) == {}
    assert predicted_shape(model, tsdf) is None


def test_the_shape_is_that_of_the_planner(camera, depth_image):
    from equigrasp.planner import GraspPlanner

    planner = GraspPlanner.from_pretrained("equigiga_pile")
    view = depth_image(), camera, fixed_view()
    told, found = (
        planner.reconstruct(*view, resolution=40),
        predicted_shape(planner.model, planner.plan(*view).tsdf, 40),
    )
    np.testing.assert_allclose(found.vertices, told.vertices, atol=1e-6)


def test_shapes_are_joined():
    one = SceneMesh(np.eye(3), np.array([[0, 1, 2]]), np.zeros((2, 2, 2)))
    nothing = SceneMesh.none("empty_workspace")
    both = SceneMesh.joined([one, nothing, one])
    assert both.faces.tolist() == [[0, 1, 2], [3, 4, 5]]
    np.testing.assert_array_equal(both.vertices[both.faces[1]], one.vertices)
    assert (both.reason, SceneMesh.joined([nothing]).reason) == ("ok", "empty_workspace")
    with pytest.raises(ValueError, match="no shapes"):
        SceneMesh.joined([])
