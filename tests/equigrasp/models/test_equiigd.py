"""EquiIGD: the contract with turned noise, sampled rotations, judged yaws, training terms."""

import pytest
import torch

from equigrasp.data.batch_keys import batch_faults
from equigrasp.geometry.rotations import random_rotations
from equigrasp.models.equiigd import STATES, EquiIGD
from equigrasp.models.losses import GraspLoss
from equigrasp.testing import CONTRACT, equivariance_error, synthetic_tsdf
from equigrasp.training.grasp_recipe import TrainingStep

SMALL = {
    "resolution": 24,
    "fields": 4,
    "hidden_fields": 8,
    "head_blocks": 1,
    "flow_fields": 4,
    "flow_blocks": 2,
}


def make(seed=0, **options):
    """A small model whose velocities and shifts are far from zero."""
    torch.manual_seed(seed)
    model = EquiIGD(**{**SMALL, **options})
    with torch.no_grad():
        for part in (model.velocity.out_projection, model.hand_points.shift):
            for parameter in part.parameters():
                parameter.normal_(std=0.1)
    return model


def batch(model, scenes=2, queries=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    label = torch.zeros(scenes, queries)
    label[:, :5] = 1
    success = (torch.rand(scenes, queries, 5, generator=generator) > 0.5) & (label > 0).unsqueeze(
        -1
    )
    success[:, :5, 0] = True
    return {
        "tsdf": synthetic_tsdf(model.resolution, scenes, generator),
        "points": torch.rand(scenes, queries, 3, generator=generator) - 0.5,
        "label": label,
        "rotations": random_rotations((scenes, queries, 5), generator),
        "yaw_success": success,
        "yaw_margin": torch.ones(scenes, queries, 5),
        "widths": 0.08 * torch.rand(scenes, queries, 5, generator=generator),
        "mask": torch.ones(scenes, queries, dtype=torch.bool),
        "occ_points": torch.rand(scenes, 8, 3, generator=generator) - 0.5,
        "occ": (torch.rand(scenes, 8, generator=generator) > 0.5).float(),
    }


def test_the_batch_of_these_tests_is_one_of_training():
    assert batch_faults(batch(make())) == []


def take_steps(model, count=3):
    data = batch(model)
    step = TrainingStep(model, GraspLoss(num_samples=4))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        step(data, generator)["loss"].backward()
        optimiser.step()
        optimiser.zero_grad()
    return model


@pytest.mark.parametrize("flow", sorted(STATES))
@pytest.mark.parametrize("trained", [False, True])
def test_turned_scene_and_noise_give_turned_grasps(flow, trained):
    model = make(flow=flow)
    model = take_steps(model) if trained else model
    errors = equivariance_error(model.double())
    assert set(errors) == {"quality", "rotation", "width", "occupancy", "confidence"}
    for output, by_turn in errors.items():
        assert max(by_turn.values()) < CONTRACT[torch.float64], (output, errors)


@pytest.mark.parametrize("resolution", [40, 60])
def test_contract_in_single_precision(resolution):
    torch.manual_seed(0)
    errors = equivariance_error(EquiIGD(resolution=resolution), num_points=60)
    for output, by_turn in errors.items():
        assert max(by_turn.values()) < CONTRACT[torch.float32], (output, errors)


def test_noise_that_is_not_turned_gives_other_grasps():
    """The contract above would hold for a model that ignores its noise; this one does not."""
    model = make()
    data = batch(model)
    features = model.encode(data["tsdf"])
    first, second = (
        model.query(features, data["points"], generator=torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    )
    assert (first.rotation - second.rotation).abs().max() > 0.1
    torch.testing.assert_close(first.quality, second.quality)


def test_plain_sides_break_the_contract():
    errors = equivariance_error(make(side_features="plain").double())
    assert min(errors["quality"].values()) > 1e-4
    assert min(errors["confidence"].values()) > 1e-4


def test_judgement_ignores_the_half_turn_of_the_jaw():
    model = make().double()
    data = batch(model)
    points, rotations = data["points"].double(), data["rotations"].double()
    read = model.reader(model.encode(data["tsdf"].double()))
    half = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))
    seen = model.attention(read, points)
    first = model.judgement(read, seen, points, rotations)
    second = model.judgement(read, seen, points, rotations @ half)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_the_most_confident_draw_is_returned():
    model = make()
    data = batch(model)
    features = model.encode(data["tsdf"])
    noise = model.prior((2, 12, 6), torch.Generator().manual_seed(3))
    best = model.query(features, data["points"], model.outputs, noise=noise)
    single = [
        model.query(features, data["points"], model.outputs, noise=noise[:, :, i : i + 1])
        for i in range(6)
    ]
    confidence = torch.stack([field.confidence for field in single], -1)
    top, index = confidence.max(-1)
    torch.testing.assert_close(best.confidence, top)
    widths = torch.stack([field.width for field in single], -1)
    torch.testing.assert_close(best.width, widths.gather(-1, index[..., None])[..., 0])
    assert widths.std(-1).max() > 1e-5
    rotations = torch.stack([field.rotation for field in single], 2)
    chosen = rotations.gather(2, index[..., None, None, None].expand(-1, -1, 1, 3, 3)).squeeze(2)
    torch.testing.assert_close(best.rotation, chosen, rtol=0, atol=1e-5)


def test_draws_are_rotations_and_points_do_not_mix():
    model = make()
    data = batch(model)
    features = model.encode(data["tsdf"])
    noise = model.prior((2, 12, 3), torch.Generator().manual_seed(3))
    whole = model.query(features, data["points"], noise=noise)
    eye = torch.eye(3).expand(2, 12, 3, 3)
    torch.testing.assert_close(whole.rotation @ whole.rotation.mT, eye, rtol=0, atol=1e-5)
    changed = noise.clone()
    changed[:, 4] = model.prior((2, 3), torch.Generator().manual_seed(9))
    other = model.query(features, data["points"], noise=changed)
    keep = torch.arange(12) != 4
    torch.testing.assert_close(other.rotation[:, keep], whole.rotation[:, keep])
    assert (other.rotation[:, 4] - whole.rotation[:, 4]).abs().max() > 1e-3


def test_options_are_checked():
    with pytest.raises(ValueError, match="flow"):
        EquiIGD(flow="spiral")
    with pytest.raises(ValueError, match="steps"):
        EquiIGD(steps=0)
