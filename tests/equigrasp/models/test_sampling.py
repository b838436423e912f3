"""What is noised in training, and noise that a sampler adds on the way."""

import pytest
import torch

from equigrasp.models.sampling import choose_goals, choose_some
from equigrasp.registry import build_model
from equigrasp.testing import synthetic_tsdf


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_chosen_points_are_successes_each_as_likely():
    mask = torch.tensor([[True, False, True, True], [False, False, False, True]])
    chosen = torch.stack([choose_some(mask, 2, seeded(seed)) for seed in range(300)])
    assert not chosen[:, ~mask].any()
    assert (chosen.sum(2) == torch.tensor([2, 1])).all()
    share = chosen.double().mean(0)[0]
    torch.testing.assert_close(share[mask[0]], torch.full((3,), 2 / 3).double(), rtol=0, atol=0.1)


def test_chosen_goals_are_successes_each_as_likely():
    rotations = torch.arange(5.0)[None, :, None, None].expand(2, 5, 3, 3)
    success = torch.tensor([[True, False, True, False, True], [False, False, False, False, True]])
    goals = choose_goals(rotations, success, 3000, seeded())[..., 0, 0]
    for yaw in (0, 2, 4):
        assert (goals[0] == yaw).double().mean() == pytest.approx(1 / 3, abs=0.04)
    assert (goals[1] == 4).all()
    assert choose_goals(rotations[:0], success[:0], 7, seeded()).shape == (0, 7, 3, 3)


def test_noise_that_a_sampler_adds_comes_from_the_generator():
    model = build_model("igd", resolution=8, channels=4, blocks=1, flow_hidden=8, sampler="ddpm")
    points = torch.rand(1, 9, 3, generator=seeded()) - 0.5
    noise = model.prior((1, 9, 2), seeded(5))
    before = torch.get_rng_state()
    with torch.no_grad():
        features = model.encode(synthetic_tsdf(8, 1))
        first, again, other, default = (
            model.query(features, points, noise=noise, generator=generator).rotation
            for generator in (seeded(0), seeded(0), seeded(1), None)
        )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert torch.equal(first, default)
    assert not torch.equal(first, other)
