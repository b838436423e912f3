"""Flows to grasp rotations: paths, symmetry, priors, integration."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.diffusion.flow_so3 import rotation_log
from equigrasp.diffusion.flows import FLOWS
from equigrasp.geometry.rotations import (
    random_rotations,
    rotation_exp,
    symmetric_geodesic_distance,
)

HALF_TURN = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))
VELOCITIES = ("so3", "euclidean")
flows = pytest.mark.parametrize("flow", [FLOWS[name] for name in VELOCITIES], ids=VELOCITIES)


def rotations(count, seed=0):
    return random_rotations((count,), torch.Generator().manual_seed(seed), torch.float64)


def prior(flow, count, seed=1):
    return flow.prior((count,), torch.Generator().manual_seed(seed), torch.float64)


def turned(turn, state):
    """A turn about z acting on states: from the left, on as many rows as they have."""
    return turn[: state.shape[-2], : state.shape[-2]] @ state


@flows
def test_paths_lead_from_the_prior_to_the_target(flow):
    start, goal = prior(flow, 50), rotations(50)
    target = flow.pair(start, goal)
    zero, one = torch.zeros(50, dtype=torch.float64), torch.ones(50, dtype=torch.float64)
    torch.testing.assert_close(flow.interpolate(start, target, zero), start)
    torch.testing.assert_close(flow.interpolate(start, target, one), target, rtol=0, atol=1e-9)
    reached = flow.to_rotation(target)
    assert symmetric_geodesic_distance(reached, goal).max() < 1e-6  # acos near 1 halves the digits


@flows
def test_pairing_takes_the_nearer_of_the_two_equal_grasps(flow):
    start, goal = prior(flow, 200), rotations(200)
    target = flow.pair(start, goal)
    rows = start.shape[-2]
    first, second = ((r[:, :rows] - start).norm(dim=(-1, -2)) for r in (goal, goal @ HALF_TURN))
    gap = (target - start).norm(dim=(-1, -2))
    torch.testing.assert_close(gap, torch.minimum(first, second))
    torch.testing.assert_close(flow.pair(start, goal @ HALF_TURN), target)
    assert (first < second).any()
    assert (second < first).any()


@flows
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_everything_turns_with_the_scene(flow, turns):
    turn = torch.linalg.matrix_power(
        torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64), turns
    )
    start, goal = prior(flow, 50), rotations(50)
    time = torch.rand(50, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    target, moved = flow.pair(start, goal), flow.pair(turned(turn, start), turn @ goal)
    torch.testing.assert_close(moved, turned(turn, target), rtol=0, atol=1e-12)
    still = flow.interpolate(start, target, time)
    torch.testing.assert_close(
        flow.interpolate(turned(turn, start), moved, time), turned(turn, still), rtol=0, atol=1e-9
    )
    velocity = flow.velocity(start, target)
    column = velocity.unsqueeze(-1) if velocity.shape[-1:] == velocity.shape[1:] else velocity
    expected = turned(turn, column).reshape(velocity.shape)
    actual = flow.velocity(turned(turn, start), moved)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(
        flow.to_rotation(turned(turn, start)), turn @ flow.to_rotation(start), rtol=0, atol=1e-9
    )


@flows
@pytest.mark.parametrize("steps", [1, 3])
def test_a_perfect_velocity_reaches_the_target_in_any_number_of_steps(flow, steps):
    start, goal = prior(flow, 50), rotations(50)
    target = flow.pair(start, goal)
    velocity = flow.velocity(start, target)
    end = flow.carry(lambda state, time: velocity, start, steps)
    torch.testing.assert_close(end, target, rtol=0, atol=1e-9)


def test_halving_the_steps_halves_the_error():
    flow, start = FLOWS["so3"], rotations(20)
    axis = torch.tensor([0.3, -0.8, 0.5], dtype=torch.float64)

    def field(state, time):  # depends on the state and on time
        return torch.linalg.cross(state[..., 0], axis.expand(20, 3)) + time.unsqueeze(-1) * axis

    exact = flow.carry(field, start, 4000)
    coarse, fine = ((flow.carry(field, start, steps) - exact).abs().max() for steps in (20, 40))
    assert coarse / fine == pytest.approx(2, rel=0.1)


def test_so3_prior_is_uniform():
    """Moments of the Haar measure: entries have mean 0, variance 1/3, and no fourth-order bias."""
    sample = prior(FLOWS["so3"], 40000)
    assert sample.mean(0).abs().max() < 0.01
    assert (sample.var(0) - 1 / 3).abs().max() < 0.01
    assert (sample.pow(4).mean(0) - 1 / 5).abs().max() < 0.01
    angle = Rotation.from_matrix(sample.numpy()).magnitude()
    assert abs(angle.mean() - (math.pi / 2 + 2 / math.pi)) < 0.01  # density (1 - cos a) / pi


@settings(max_examples=60, deadline=None)
@given(
    vector=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: sum(x * x for x in v) > 1e-6),
    angle=st.floats(0, math.pi - 1e-9),
)
def test_logarithm_and_exponential_agree_with_scipy(vector, angle):
    axis = torch.tensor(vector, dtype=torch.float64)
    vector = angle * axis / axis.norm()
    rotation = rotation_exp(vector)
    expected = Rotation.from_rotvec(vector.numpy()).as_matrix()
    torch.testing.assert_close(rotation, torch.from_numpy(expected), rtol=0, atol=1e-12)
    torch.testing.assert_close(rotation_exp(rotation_log(rotation)), rotation, rtol=0, atol=1e-9)
    assert rotation_log(rotation).norm() <= math.pi + 1e-9


def test_the_logarithm_is_finite_at_half_turns():
    half_turns = torch.stack(
        [2 * torch.outer(n, n) - torch.eye(3, dtype=torch.float64) for n in rotations(40)[:, 0]]
    )
    log = rotation_log(half_turns)
    torch.testing.assert_close(log.norm(dim=-1), torch.full((40,), math.pi, dtype=torch.float64))


def test_a_flow_takes_a_step_at_least():
    with pytest.raises(ValueError, match="steps is 0"):
        FLOWS["so3"].carry(None, rotations(2), 0)


def test_the_euclidean_prior_is_standard_normal():
    draws = FLOWS["euclidean"].prior((200, 50), torch.Generator().manual_seed(0), torch.float64)
    assert draws.shape == (200, 50, 2, 3)
    torch.testing.assert_close(draws.mean((0, 1)), torch.zeros(2, 3).double(), rtol=0, atol=0.05)
    torch.testing.assert_close(draws.std((0, 1)), torch.ones(2, 3).double(), rtol=0.03, atol=0)
