from types import SimpleNamespace

import pytest
import torch

from equigrasp.models.equigiga import EquiGIGA
from equigrasp.testing import (
    assert_equivariant,
    equivariance_error,
    synthetic_tsdf,
    turn_grid,
    turn_matrix,
    turn_points,
)


class Analytic:
    """A user's own model without parameters: distances to the axis, approach from above."""

    resolution = 8

    def __init__(self, skew=0.0):
        self.skew = skew

    def encode(self, tsdf):
        return tsdf.mean((1, 2, 3))

    def query(self, features, points, outputs):
        radius = points[..., :2].norm(dim=-1) + self.skew * points[..., 0]
        direction = points[..., :2] / points[..., :2].norm(dim=-1, keepdim=True)
        x, zero = direction, torch.zeros_like(radius)
        rotation = torch.stack(
            [
                torch.stack([x[..., 0], -x[..., 1], zero], -1),
                torch.stack([x[..., 1], x[..., 0], zero], -1),
                torch.stack([zero, zero, zero + 1], -1),
            ],
            -2,
        )
        return SimpleNamespace(
            quality=radius, rotation=rotation, width=radius, occupancy=features[:, None] + zero
        )


def test_an_exact_model_of_a_user_passes():
    errors = equivariance_error(Analytic(), dtype=torch.float64)
    assert max(e for by_turn in errors.values() for e in by_turn.values()) < 1e-12


def test_the_size_of_a_violation_is_measured():
    points = torch.tensor([[[0.3, 0.1, 0.0]]])
    errors = equivariance_error(Analytic(skew=0.5), points=points, tsdf=torch.rand(1, 8, 8, 8))
    # by 180 degrees x goes from 0.3 to -0.3, so the skew term changes by 0.5 * 0.6
    assert errors["quality"][2] == pytest.approx(0.3, abs=1e-6)
    assert errors["rotation"][2] < 1e-6


def test_rotation_that_ignores_the_scene_is_caught():
    model = Analytic()
    plain = model.query

    def fixed(features, points, outputs):
        field = plain(features, points, outputs)
        field.rotation = torch.eye(3, dtype=points.dtype).expand_as(field.rotation)
        return field

    model.query = fixed
    errors = equivariance_error(model)
    assert errors["rotation"][1] == pytest.approx(1.0, abs=1e-6)
    assert errors["quality"][1] < 1e-5


def test_assertion_passes_and_fails():
    small = {"resolution": 24, "fields": 2, "head_fields": 4, "head_blocks": 1}
    exact = EquiGIGA(**small).double()
    assert set(assert_equivariant(exact)) == {"quality", "rotation", "width", "occupancy"}
    with pytest.raises(AssertionError, match="exceeds"):
        assert_equivariant(EquiGIGA(**small, side_features="plain").double())


def test_turns_of_grid_and_points_agree():
    n = 6
    grid = torch.zeros(n, n, n)
    grid[1, 4, 2] = 1.0
    point = (torch.tensor([1.0, 4.0, 2.0]) + 0.5) / n - 0.5
    for turns in range(-1, 5):
        where = ((turn_points(point, turns) + 0.5) * n - 0.5).round().long()
        assert turn_grid(grid, turns)[tuple(where)] == 1.0
    assert torch.equal(turn_matrix(4), torch.eye(3, dtype=torch.float64))


def test_synthetic_scenes_have_all_kinds_of_voxels_and_no_symmetry():
    scene = synthetic_tsdf(40, 2)
    assert scene.shape == (2, 40, 40, 40)
    assert scene.min() == 0
    assert scene.max() == 1
    assert ((scene > 0.4) & (scene < 0.6)).float().mean() > 0.01
    assert (scene == 0).float().mean() > 0.05
    for turns in (1, 2, 3):
        assert (turn_grid(scene, turns) - scene).abs().mean() > 0.01


def test_every_turn_is_tried_and_the_limit_is_the_limit():
    errors = equivariance_error(Analytic(skew=0.5), tsdf=torch.rand(1, 8, 8, 8))
    assert {tuple(by_turn) for by_turn in errors.values()} == {(1, 2, 3)}
    scene = {"tsdf": torch.rand(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))}
    found = equivariance_error(Analytic(skew=0.5), **scene)
    worst = max(e for by_turn in found.values() for e in by_turn.values())
    assert_equivariant(Analytic(skew=0.5), worst * 1.001, **scene)
    with pytest.raises(AssertionError, match="exceeds"):
        assert_equivariant(Analytic(skew=0.5), worst * 0.999, **scene)
