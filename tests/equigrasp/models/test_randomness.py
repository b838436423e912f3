"""Random numbers of sampling models come from the generator that is passed in, and only from it."""

import pytest
import torch

from equigrasp.models.sampling import choose_goals, choose_some
from equigrasp.registry import build_model
from equigrasp.testing import synthetic_tsdf

SMALL = {
    "equiigd": {"fields": 2, "hidden_fields": 4, "head_blocks": 1, "flow_fields": 2},
    "igd": {"channels": 4, "blocks": 1, "flow_hidden": 8, "sampler": "ddpm"},
}


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


@pytest.mark.parametrize("name", sorted(SMALL))
def test_torchs_own_generator_is_left_alone(name):
    model = build_model(name, resolution=16, **SMALL[name])
    scene, points = synthetic_tsdf(16, 1), torch.rand(1, 9, 3, generator=seeded()) - 0.5
    before = torch.get_rng_state()
    with torch.no_grad():
        features = model.encode(scene)
        seeds = [model.query(features, points, generator=seeded(s)).rotation for s in (0, 0, 1)]
        default = model.query(features, points).rotation
        chunked = model.query(features, points, chunk=4, generator=seeded(1)).rotation
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(seeds[0], seeds[1])
    assert torch.equal(seeds[0], default)
    assert not torch.equal(seeds[0], seeds[2])
    assert chunked.shape == default.shape
