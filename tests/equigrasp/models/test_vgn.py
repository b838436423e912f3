"""VGN: volumes of grasps, read between voxel centres; not equivariant."""

import pytest
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from equigrasp import build_model
from equigrasp.models.vgn import Volume
from equigrasp.nn.freeze import freeze
from equigrasp.peaks import query_lattice
from equigrasp.planner import GraspPlanner
from equigrasp.testing import equivariance_error, synthetic_tsdf


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("vgn")


def test_size_is_that_of_the_published_layers(model):
    assert sum(p.numel() for p in model.parameters()) == 313_238


def test_rotations_are_those_of_the_quaternions(model):
    """Rows of the rotation of a quaternion that is not normalised; `finish` leaves them alone."""
    generator = torch.Generator().manual_seed(0)
    features = Volume(torch.randn(1, 6, 40, 40, 40, generator=generator))
    index = torch.randint(0, 40, (60, 3), generator=generator)
    points = ((index + 0.5) / 40 - 0.5)[None]
    quaternions = features.grasps[0, 1:5][(slice(None), *index.T)].T
    expected = torch.from_numpy(Rotation.from_quat(quaternions.numpy()).as_matrix()).float()[None]
    raw = model.query_raw(features, points)
    torch.testing.assert_close(raw.rotation, expected[..., :2, :], rtol=0, atol=1e-4)
    torch.testing.assert_close(model.finish(raw).rotation, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(
        model.finish(raw).rotation[..., :2, :], raw.rotation, rtol=0, atol=1e-5
    )


def test_at_voxel_centres_the_answer_is_the_voxels(model):
    features = model.encode(synthetic_tsdf(40, 1))
    points = query_lattice(40).view(1, -1, 3)
    raw = model.query_raw(features, points)
    volume = features.grasps[0].flatten(1)
    torch.testing.assert_close(raw.quality[0], volume[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(raw.width[0], volume[5] * 0.3 / 40, rtol=0, atol=1e-6)


def test_between_centres_it_agrees_with_scipy(model):
    generator = torch.Generator().manual_seed(0)
    features = Volume(torch.rand(1, 6, 40, 40, 40, generator=generator))
    points = torch.rand(1, 60, 3, generator=generator) - 0.5
    pixel = ((points[0] + 0.5) * 40 - 0.5).T.numpy()
    expected = map_coordinates(features.grasps[0, 0].numpy(), pixel, order=1, mode="nearest")
    actual = model.query_raw(features, points, ("quality",)).quality[0]
    torch.testing.assert_close(actual, torch.from_numpy(expected), rtol=0, atol=1e-5)


def test_it_predicts_no_occupancy(model):
    features = model.encode(synthetic_tsdf(40, 1))
    with pytest.raises(ValueError, match="occupancy"):
        model.query(features, torch.rand(1, 4, 3) - 0.5, ("occupancy",))


def test_grasps_are_planned_with_it(model):
    result = GraspPlanner(freeze(model)).plan_tsdf(synthetic_tsdf(40, 1)[0])
    assert result.reason in {"ok", "forced", "no_grasp"}


def test_it_is_not_equivariant(model):
    errors = equivariance_error(model)
    assert set(errors) == {"quality", "rotation", "width"}
    for output in ("quality", "rotation"):
        assert min(errors[output].values()) > 1e-3, errors


def test_resolutions_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="multiple of 8"):
        build_model("vgn", resolution=60)
