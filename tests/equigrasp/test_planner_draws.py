"""Planning with a model that samples rotations and judges them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from equigrasp import build_model
from equigrasp.candidates import CELLS, LAYERS, noise_at
from equigrasp.geometry.turns import turn_matrix
from equigrasp.perception.camera import fixed_view
from equigrasp.planner import GraspPlanner


class JudgedModel:
    """Draws: the confidence depends on the place, the width on the generator; else as `plain`."""

    samples_rotations = True

    def __init__(self, plain):
        self.plain, self.asked = plain, []

    def __getattr__(self, name):
        return getattr(self.plain, name)

    def query(self, features, points, outputs=(), num_samples=1, generator=None):
        field = self.plain.query(features, points, outputs)
        if "confidence" not in outputs:
            return field
        self.asked.append(num_samples)
        shake = 0.01 * torch.rand(1, generator=generator, dtype=torch.float64)
        confidence = 0.5 + points[..., 0].double()
        return field._replace(confidence=confidence, width=field.width + shake)


def test_drawn_grasps_are_ranked_by_quality_and_confidence(
    camera, depth_image, blob_model, blob_planner
):
    model = JudgedModel(blob_model)
    config = replace(blob_planner().detection, quality_threshold=0.05, num_samples=7)
    plain = blob_planner(config).plan(depth_image(), camera, fixed_view())
    judged = GraspPlanner(model, config).plan(depth_image(), camera, fixed_view())
    assert model.asked == [7]
    assert len(judged.grasps) == len(plain.grasps) > 2
    scores = [grasp.score for grasp in judged.grasps]
    assert scores == sorted(scores, reverse=True)
    for grasp in judged.grasps:
        gaps = [np.abs(grasp.position - g.position).max() for g in plain.grasps]
        other = plain.grasps[int(np.argmin(gaps))]
        assert min(gaps) < 1e-9
        # the query point lies `query_setback` behind the tip before it is moved on
        confidence = (grasp.score**2) / other.score
        assert 0 < confidence < 1
    order = [tuple(np.round(g.position, 6)) for g in plain.grasps]
    assert order != [tuple(np.round(g.position, 6)) for g in judged.grasps]


def test_draws_repeat_by_seed(camera, depth_image, blob_model, blob_planner):
    def width(seed):
        low = blob_planner().detection
        planner = GraspPlanner(JudgedModel(blob_model), low, seed=seed)
        return planner.plan(depth_image(), camera, fixed_view()).grasps[0].width

    assert width(3) == width(3)
    assert width(3) != width(4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def turned_indices(peaks, resolution, turns):
    """Of lattice points after a turn: (x, y) to (-y, x) about the middle."""
    x, y, z = peaks.unbind(1)
    for _ in range(turns):
        x, y = resolution - 1 - y, x
    return torch.stack([x, y, z], 1)


@pytest.fixture(scope="module")
def drawing():
    return build_model("equiigd", fields=2, hidden_fields=4, flow_fields=2)


@pytest.mark.parametrize("resolution", [40, 50, 60, 10])
def test_noise_of_turned_places_is_the_turned_noise_in_any_order(drawing, resolution):
    peaks = torch.cartesian_prod(*[torch.arange(resolution)] * 3)
    peaks = peaks[torch.randperm(len(peaks), generator=seeded(1))[:300]]
    noise = noise_at(drawing, peaks, resolution, 2, seeded())
    assert noise.shape == (1, len(peaks), 2, 3, 3)
    for turns in (1, 2, 3):
        order = torch.randperm(len(peaks), generator=seeded(turns))[:200]
        there = turned_indices(peaks, resolution, turns)[order]
        moved = noise_at(drawing, there, resolution, 2, seeded())
        assert torch.equal(moved[0], turn_matrix(turns, noise.dtype) @ noise[0, order])
    assert not torch.equal(noise_at(drawing, peaks, resolution, 2, seeded(7)), noise)


def test_noise_is_as_even_as_the_prior_and_peaks_have_their_own(drawing):
    """Means of entries and of their squares over all places: those of the Haar measure."""
    n = 2 * CELLS
    places = torch.cartesian_prod(*[torch.arange(0, n, 2)] * 3)
    noise = noise_at(drawing, places, n, 4, seeded())[0].double()
    assert noise.mean((0, 1)).abs().max() < 0.05
    assert (noise.square().mean((0, 1)) - 1 / 3).abs().max() < 0.03
    quadrant = (
        (places[:, :2] < n // 2).all(1) & (places[:, 2] >= 8) & (places[:, 2] < 8 + 2 * LAYERS)
    )
    own = noise[quadrant].flatten(1)
    assert len(own.unique(dim=0)) == len(own) == CELLS**2 // 4 * LAYERS


def test_a_model_that_takes_no_noise_draws_by_itself(blob_model):
    assert noise_at(JudgedModel(blob_model), torch.zeros(3, 3).long(), 40, 2, seeded()) is None
