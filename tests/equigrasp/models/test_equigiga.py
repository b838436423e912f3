"""The contract: turning the scene and the query turns the answer, in every exact mode."""

import pytest
import torch

from equigrasp.models.equigiga import EquiGIGA
from equigrasp.nn.deform import DeformableConv
from equigrasp.testing import (
    CONTRACT,
    equivariance_error,
    synthetic_tsdf,
    turn_grid,
    turn_matrix,
    turn_points,
)

SMALL = {"fields": 4, "head_fields": 8, "head_blocks": 2}


def make(resolution=40, seed=0, **options):
    """Model with offsets of about half a pixel where it deforms."""
    torch.manual_seed(seed)
    model = EquiGIGA(resolution=resolution, **{**SMALL, **options})
    for module in model.modules():
        if isinstance(module, DeformableConv):
            for parameter in module.predict.parameters():
                torch.nn.init.normal_(parameter, std=0.03)
    return model


def take_steps(model, count=3):
    scene = synthetic_tsdf(model.resolution, 1)
    points = torch.rand(1, 64, 3) - 0.5
    target = torch.rand(1, 64)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(count):
        raw = model.query_raw(model.encode(scene), points, ("quality", "rotation", "width"))
        loss = (raw.quality - target).square().mean() + (raw.width * 12 - target).square().mean()
        loss = loss + (raw.rotation - torch.eye(3)[:2]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


def conditioning(model, scene, points):
    """How clearly independent the raw rotation rows are at each point: 1 is typical, 0 is not.

    At 0 the nearest rotation is undetermined, and float32 rounding of the features (some 1e-6 after
    25 layers) is amplified by the inverse of this, whatever the formula. Training pulls the rows to
    orthonormality (`GraspLoss`), so this concerns fresh models above all.
    """
    dtype = next(model.parameters()).dtype
    with torch.no_grad():
        features = model.encode(scene.to(dtype))
        rows = model.query_raw(features, points.to(dtype), ("rotation",)).rotation
    values = torch.linalg.svdvals(rows[0].double())
    return (values[:, 1] / values[:, 0].median()).clamp(max=1)


def rotation_errors(model, scene, points):
    """Largest error over the turns at each point."""
    scene, points = scene.float(), points.float()
    with torch.no_grad():
        still = model.query(model.encode(scene), points, ("rotation",)).rotation[0]
        errors = []
        for turns in (1, 2, 3):
            turned = model.encode(turn_grid(scene, turns))
            moved = model.query(turned, turn_points(points, turns), ("rotation",)).rotation[0]
            errors.append((moved - turn_matrix(turns, torch.float32) @ still).abs().amax((1, 2)))
    return torch.stack(errors).amax(0)


def check_contract(model):
    scene = synthetic_tsdf(model.resolution, 1)
    points = torch.rand(1, 600, 3, dtype=torch.float64) - 0.5
    for dtype in (torch.float32, torch.float64):
        model.to(dtype)
        errors = equivariance_error(model, scene, points)
        assert set(errors) == {"quality", "rotation", "width", "occupancy"}
        for output, by_turn in errors.items():
            if (output, dtype) != ("rotation", torch.float32):
                assert max(by_turn.values()) < CONTRACT[dtype], (output, dtype, errors)
    model.to(torch.float32)
    share, bound = conditioning(model, scene, points), CONTRACT[torch.float32]
    error = rotation_errors(model, scene, points)
    assert (error * share).max() < bound
    # That bound says nothing where no rotation is determined. How many are varies with the weights
    # (a sixth to a half over seeds), and a seed fixes these on one machine's linear algebra only.
    clearest = share.topk(len(share) // 12)
    assert clearest.values.min() > 0.25
    assert error[clearest.indices].max() < 2 * bound


# Halved thrice, as 40 and 60 are: one stays whole, the other comes to an odd number.
@pytest.mark.parametrize("resolution", [24, 28])
@pytest.mark.parametrize("deform", ["none", "orbit", "full"])
@pytest.mark.parametrize("side_features", ["induced", "sum"])
def test_contract_before_and_after_training_steps(side_features, deform, resolution):
    model = make(resolution, side_features=side_features, deform=deform)
    check_contract(model)
    check_contract(take_steps(model))


@pytest.mark.parametrize("resolution", [40, 60])
def test_contract_at_the_default_size(resolution):
    check_contract(EquiGIGA(resolution=resolution))


def test_contract_without_normalisation_and_at_other_depths():
    check_contract(make(resolution=24, norm="none"))
    check_contract(make(resolution=24, exchange=False))
    check_contract(make(resolution=24, depth=4))
    check_contract(make(resolution=24, depth=2, encoding="published"))


@pytest.mark.parametrize("deform", ["none", "full"])
def test_plain_sides_break_the_contract(deform):
    errors = equivariance_error(make(side_features="plain", deform=deform))
    for by_turn in errors.values():
        assert min(by_turn.values()) > 1e-3


def test_raw_rotation_rows_turn_everywhere():
    model, scene = make(), synthetic_tsdf(40, 1)
    points = torch.rand(1, 300, 3) - 0.5
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    with torch.no_grad():
        still = model.query_raw(model.encode(scene), points, ("rotation",)).rotation
        turned = model.encode(turn_grid(scene))
        moved = model.query_raw(turned, turn_points(points), ("rotation",)).rotation
    assert (moved - quarter @ still).abs().max() < 1e-4 * still.abs().max()


@pytest.mark.parametrize(("deform", "count"), [("none", 552_019), ("full", 688_354)])
def test_size(deform, count):
    assert sum(p.numel() for p in EquiGIGA(deform=deform).parameters()) == count
