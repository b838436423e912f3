"""Thresholds that nobody chose: their values, and what they do to a plan."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.detection import DetectionConfig
from equigrasp.hand import PANDA
from equigrasp.peaks import lattice_quality, query_lattice
from equigrasp.perception.camera import fixed_view, view_on_sphere
from equigrasp.perception.rectify import TableFit, table_in_depth
from equigrasp.placement import admissible_width, place_tips
from equigrasp.planner import GraspPlanner

DEFAULTS = {
    "quality_threshold": 0.5,
    "force": True,
    "quality_floor": 0.1,
    "smoothing": 1.0,
    "nms_window": 5,
    "max_peaks": 256,
    "max_grasps": None,
    "num_samples": 8,
    "width_min": 0.01,
    "width_max": None,
    "reach": 0.055,
    "table_margin": 0.01,
    "border": 0.02,
    "z_min": None,
    "tip_clearance": 0.0,
    "max_retreat": 0.01,
    "advance": 0.02,
    "clearance": None,
    "unseen": "free",
    "min_points_between": 3,
    "refine_steps": 0,
    "centre": False,
    "lattice": None,
    "coarse_to_fine": True,
    "refine_share": 0.8,
    "peak_share": 0.8,
}
"""With these the recorded tables were played; a change is deliberate, and renews them."""


def test_the_defaults_are_those_of_the_recorded_tables():
    found = asdict(DetectionConfig())
    assert {name: found[name] for name in DEFAULTS} == DEFAULTS


def test_the_hand_keeps_two_millimetres_of_its_opening():
    widths = torch.tensor([0.0099, 0.0101, PANDA.opening - 0.0021, PANDA.opening - 0.0019])
    assert admissible_width(widths, DetectionConfig()).tolist() == [False, True, True, False]


@pytest.mark.parametrize(("over", "deeper"), [(0.10, 0.02), (0.013, 0.01), (0.002, 0.0)])
def test_tips_go_two_centimetres_deeper_or_to_three_millimetres_over_the_table(over, deeper):
    point, down = torch.tensor([[0.15, 0.15, 0.05 + 0.05 + over]]), torch.tensor([[0.0, 0.0, -1.0]])
    placed = place_tips(point, down, 0.05, DetectionConfig(), 0.05)
    np.testing.assert_allclose(placed.tips[0, 2], 0.05 + over - deeper, atol=1e-6)


class Watched:
    """A model that keeps the points it is asked about, in metres."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def query(self, features, points, outputs=("quality", "rotation", "width")):
        if "rotation" not in outputs:
            self.asked.append((points.reshape(-1, 3) + 0.5) * 0.3)
        return self.model.query(features, points, outputs=outputs)


def questions(blob_model, scene, camera, table="of the model", **changes):
    """(n, 3) lattice points, metres, that a plan asks the quality of."""
    model = Watched(blob_model)
    config = DetectionConfig(coarse_to_fine=False, **changes)
    options = {} if table == "of the model" else {"table_height": table}
    depth = render_primitives(scene, camera, fixed_view())
    GraspPlanner(model, config, **options).plan(depth, camera, fixed_view())
    return torch.cat(model.asked).numpy()


EVERYWHERE = [Primitive(np.array([0.15, 0.15, 0.07]), np.array([0.2, 0.2, 0.02]))]
"""A slab that fills the workspace and goes on beyond it."""
STEP = 0.0075


@pytest.mark.parametrize("border", [None, 0.04])
def test_points_keep_their_distance_from_the_walls_and_no_more(border, blob_model, camera):
    changes = {} if border is None else {"border": border}
    points = questions(blob_model, EVERYWHERE, camera, table=None, **changes)
    wanted = border or 0.02
    for axis in (0, 1):
        least, most = points[:, axis].min(), 0.3 - points[:, axis].max()
        assert wanted < least < wanted + STEP
        assert wanted < most < wanted + STEP


@pytest.mark.parametrize(
    ("table", "z_min", "lowest"),
    [(0.05, None, 0.05), (None, None, 0.0), (0.05, 0.0, 0.0), (0.05, 0.08, 0.08)],
)
def test_points_lie_over_the_table_unless_a_height_is_given(
    table, z_min, lowest, blob_model, camera
):
    block = [Primitive(np.array([0.15, 0.15, 0.065]), np.array([0.03, 0.03, 0.015]))]
    points = questions(blob_model, block, camera, table=table, z_min=z_min)
    reached = points[:, 2].min()
    assert reached > lowest
    if table is not None:
        assert reached < max(lowest, 0.08 - 0.055) + 2 * STEP


def test_the_points_around_a_promising_cell_are_asked_too():
    """One cell of 2 x 2 x 2 points promises a peak: its points and a ring of one, 64 in all."""
    n, at = 12, (2, 3, 3)
    centre = query_lattice(n // 2, dtype=torch.float64)[at]

    def ask(points):
        return torch.where((points - centre).norm(dim=-1) < 0.9 / n, 0.9, 0.01).float()

    band = torch.ones((n,) * 3, dtype=torch.bool)
    _, fine, asked = lattice_quality(ask, band, DetectionConfig(), dtype=torch.float32)
    expected = torch.zeros_like(band)
    expected[3:7, 5:9, 5:9] = True
    assert torch.equal(fine, expected)
    assert asked == (n // 2) ** 3 + 64


def test_a_blank_view_beside_a_good_one_changes_nothing(blob_planner, depth_image, camera):
    planner, pose, depth = blob_planner(), fixed_view(), depth_image()
    other = view_on_sphere(0.6, 0.5, 0.3, (0.15, 0.15, 0.1))
    alone = planner.plan(depth, camera, pose)
    assert alone.grasps
    for order in (slice(None), slice(None, None, -1)):
        images = np.stack([depth, np.zeros_like(depth)][order])
        both = planner.plan(images, camera, np.stack([pose, other][order]))
        assert both.reason == "ok"
        assert both.grasps[0].position == pytest.approx(alone.grasps[0].position, abs=STEP)
    blank = planner.plan(np.zeros((2, *depth.shape), "f4"), camera, np.stack([pose, other]))
    assert blank.reason == "empty_depth"


def test_the_table_is_level_only_if_every_view_says_so():
    found, lost = TableFit(1.0, 900, True), TableFit(1.0, 3, False, "hardly visible")
    poses = np.stack([fixed_view(), view_on_sphere(0.6, 0.5, 0.3, (0.15, 0.15, 0.1))])
    assert table_in_depth((found, found), poses) == pytest.approx(0.05)
    for fits in ((found, lost), (lost, found), (lost, lost)):
        assert table_in_depth(fits, poses) is None
