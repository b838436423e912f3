"""A planner without a trained network: a model that sees blobs, and a picture of three things."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.detection import DetectionConfig
from equigrasp.hand import PANDA
from equigrasp.models.base import GraspField
from equigrasp.perception.camera import Intrinsics, fixed_view
from equigrasp.planner import GraspPlanner
from equigrasp.workspace import WORKSPACE

SHAPES = (
    Primitive(np.array([0.10, 0.11, 0.080]), np.array([0.02, 0.03, 0.030]), 0.4),
    Primitive(np.array([0.19, 0.17, 0.075]), np.full(3, 0.025), box=False),
    Primitive(np.array([0.12, 0.21, 0.065]), np.array([0.03, 0.015, 0.015]), 1.1),
)
CAMERA = Intrinsics(320, 240, 270.0, 270.0, 160.0, 120.0)
# The stand-in knows no surface: what its hands close on is asked where tests are about that.
LOW = DetectionConfig(quality_threshold=0.1, quality_floor=0.05, min_points_between=0)


class BlobModel:
    """Exactly equivariant stand-in: quality peaks 4 cm above surfaces, hands come from above.

    The hand tilts along the horizontal gradient of the blurred volume, so rotations are not all
    alike, and everything turns with the scene.
    """

    hand, query_setback = PANDA, 0.05

    def __init__(self, encoding="full", gain=1.0, workspace=WORKSPACE):
        self.encoding, self.gain, self.workspace = encoding, gain, workspace

    def encode(self, tsdf):
        near = (1 - (2 * tsdf.double() - 1).abs())[:, None]
        blurred = F.avg_pool3d(near, 7, 1, 3, count_include_pad=True)
        return torch.cat([blurred, *(self._slope(blurred, axis) for axis in (2, 3))], 1)

    @staticmethod
    def _slope(volume, axis):
        return volume.roll(-1, axis) - volume.roll(1, axis)

    def query(self, features, points, outputs=("quality", "rotation", "width")):
        below = points.double() - torch.tensor([0, 0, 0.04 / 0.3])
        grid = 2 * below[:, :, None, None].flip(-1)  # grid_sample wants z, y, x
        at = F.grid_sample(features, grid, align_corners=False)[..., 0, 0].movedim(1, -1)
        value, slope = at[..., 0], at[..., 1:]
        field = {}
        if "quality" in outputs:
            field["quality"] = (self.gain * value).clamp(0, 1)
        if "width" in outputs:
            field["width"] = 0.03 + 0.02 * value
        if "rotation" in outputs:
            along = F.normalize(slope, dim=-1)
            flat = torch.zeros_like(value)
            approach = torch.stack([0.5 * along[..., 0], 0.5 * along[..., 1], flat - 1], -1)
            z = F.normalize(approach, dim=-1)
            y = torch.stack([-along[..., 1], along[..., 0], flat], -1)
            field["rotation"] = torch.stack([torch.linalg.cross(y, z, dim=-1), y, z], -1)
        return GraspField(**field)


@pytest.fixture(scope="session")
def camera():
    """Intrinsics of the pictures."""
    return CAMERA


@pytest.fixture(scope="session")
def shapes():
    """The three things."""
    return SHAPES


@pytest.fixture(scope="session")
def depth_image():
    """Renders the three things, or others, with more beside them if given, from a pose."""

    def render(pose=None, shapes=SHAPES, beside=()):
        view = fixed_view() if pose is None else pose
        return render_primitives([*shapes, *beside], CAMERA, view)

    return render


@pytest.fixture(scope="session")
def blob_model():
    """The stand-in."""
    return BlobModel()


@pytest.fixture(scope="session")
def blob_planner():
    """Makes a planner with the stand-in and, unless told otherwise, thresholds that it reaches."""

    def make(detection=LOW, *, encoding="full", gain=1.0, **options):
        return GraspPlanner(BlobModel(encoding, gain), detection, **options)

    return make


@pytest.fixture(scope="session")
def assert_same_set():
    """Compares two lists of grasps in any order."""

    def check(first, second, tolerance):
        assert len(first) == len(second) > 0
        left = list(second)
        for grasp in first:
            gaps = [np.abs(grasp.T_world_grasp - g.T_world_grasp).max() for g in left]
            best = int(np.argmin(gaps))
            assert gaps[best] < tolerance
            other = left.pop(best)
            assert grasp.width == pytest.approx(other.width, abs=tolerance)
            assert grasp.score == pytest.approx(other.score, abs=tolerance)

    return check
