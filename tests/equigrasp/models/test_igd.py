"""IGD on the shared interface: samples, targets, training; not equivariant."""

import pytest
import torch

from equigrasp import build_model
from equigrasp.geometry.rotations import (
    matrix_to_quaternion,
    quaternion_to_matrix,
    random_rotations,
    symmetric_geodesic_distance,
)
from equigrasp.geometry.turns import turn_matrix
from equigrasp.testing import equivariance_error


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("igd", resolution=24, channels=8, flow_hidden=16, blocks=2)


def test_size_is_near_the_published_one():
    parameters = sum(p.numel() for p in build_model("igd").parameters())
    assert 0.6e6 < parameters < 1.2e6  # published: 1.12 M, half of it deformable layers


def test_turned_noise_is_the_turned_rotation(model):
    noise = model.prior((50,), torch.Generator().manual_seed(0)).double()
    for turns in (1, 2, 3):
        turned = quaternion_to_matrix(model.turn_noise(noise, turns))
        expected = turn_matrix(turns) @ quaternion_to_matrix(noise)
        torch.testing.assert_close(turned, expected, rtol=0, atol=1e-12)


def test_a_perfect_denoiser_draws_the_grasp(model):
    goal = random_rotations((1, 4), torch.Generator().manual_seed(0), torch.float64)
    truth = matrix_to_quaternion(goal)[0].unsqueeze(1)
    alphas = model.diffusion.alphas().double()

    def perfect(features, state, step):
        alpha = alphas[step][..., None]
        return (state - alpha.sqrt() * truth) / (1 - alpha).sqrt()

    model.predict = perfect
    noise = model.prior((1, 4, 3), torch.Generator().manual_seed(1)).double()
    sampled = model.sample_rotations(torch.zeros(1, 4, 2), noise, torch.Generator())
    gap = symmetric_geodesic_distance(sampled, goal.unsqueeze(2).expand(1, 4, 3, 3, 3))
    assert gap.max() < 0.02


def test_targets_are_one_of_four_equal_quaternions(model):
    """The true noise belongs to a state made from the grasp, whichever quaternion it took."""
    goal = random_rotations((6, 5), torch.Generator().manual_seed(0), torch.float32)
    seen = torch.randn(6, 24)
    alphas, states = model.diffusion.alphas(), {}

    def watch(features, state, step):
        states["state"], states["alpha"] = state, alphas[step][..., None]
        return torch.zeros_like(state)

    model.predict = watch
    terms = model.flow_terms(seen, goal, torch.Generator().manual_seed(2))
    quaternion = (states["state"] - (1 - states["alpha"]).sqrt() * terms.target) / states[
        "alpha"
    ].sqrt()
    gap = symmetric_geodesic_distance(quaternion_to_matrix(quaternion), goal)
    assert gap.max() < 0.02
    assert ((quaternion * terms.target).sum(-1) >= 0).all()  # the nearest of the four


def test_it_is_not_equivariant(model):
    errors = equivariance_error(model)
    assert set(errors) == {"quality", "rotation", "width", "occupancy", "confidence"}
    for output in ("quality", "rotation", "confidence"):
        assert min(errors[output].values()) > 1e-4, errors
