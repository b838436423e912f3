"""Planning with a model that samples rotations and judges them."""

from dataclasses import replace

import numpy as np
import torch

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
