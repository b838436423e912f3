"""Noisy steps of a flow: the flow itself without the noise, exact likelihoods, one gradient."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.stats import norm
from torch import nn

from equigrasp.diffusion.batch import repeat_conditions
from equigrasp.diffusion.flow_policy import FlowPolicy, policy_of
from equigrasp.diffusion.flows import FLOWS
from equigrasp.diffusion.policy_gradient import advantages, clipped_update
from equigrasp.geometry.turns import turn_matrix

B, S, T = 3, 4, 5
WIDTHS = {"so3": 3, "euclidean": 6, "diffusion": 6}
"""Numbers of a velocity, per flow."""


class Velocities(nn.Module):
    """A small network that encodes conditions (B, 3) once and counts how often."""

    def __init__(self, flow, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.rows = 3 if flow == "so3" else 2
        width = WIDTHS[flow]
        self.encode = nn.Linear(3, 8)
        self.body = nn.Sequential(
            nn.Linear(8 + 3 * self.rows + 1, 32), nn.Tanh(), nn.Linear(32, width)
        )
        self.encoded = 0
        self.double()

    def at(self, conditions):
        features = self.encode(conditions)
        self.encoded += len(conditions)

        def network(state, time):
            told = repeat_conditions(features, state.shape[1])
            found = self.body(torch.cat([told, state.flatten(2), time[..., None].to(state)], -1))
            return found if self.rows == 3 else found.unflatten(-1, (2, 3))

        return network


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def conditions():
    return torch.randn(B, 3, generator=seeded(5), dtype=torch.float64)


def start(flow):
    return FLOWS[flow].prior((B, S), seeded(2), torch.float64)


def run(flow, model, std=0.1):
    return policy_of(FLOWS[flow], T, std).run(model.at(conditions()), start(flow), seeded(1))


@pytest.mark.parametrize("flow", ["so3", "euclidean"])
def test_with_hardly_any_noise_a_chain_is_what_the_flow_integrates(flow):
    model = Velocities(flow)
    chain = run(flow, model, std=1e-9)
    with torch.no_grad():
        expected = FLOWS[flow].carry(model.at(conditions()), start(flow), T)
    torch.testing.assert_close(chain.samples, expected, rtol=0, atol=1e-7)
    assert chain.states.shape[:3] == (B, S, T + 1)


def test_decisions_on_rotations_are_normal_rotation_vectors():
    """Their likelihoods by scipy, from the rotations alone."""
    model = Velocities("so3")
    chain = run("so3", model)
    network = model.at(conditions())
    for t in range(T):
        before, after = chain.states[:, :, t], chain.states[:, :, t + 1]
        mean = network(before, torch.full((B, S), t / T, dtype=torch.float64)).detach() / T
        turn = (after @ before.transpose(-1, -2)).reshape(-1, 3, 3).numpy()
        vector = Rotation.from_matrix(turn).as_rotvec().reshape(B, S, 3)
        expected = norm(mean.numpy(), 0.1).logpdf(vector).sum(-1)
        np.testing.assert_allclose(chain.log_prob[:, :, t], expected, rtol=1e-6)


@pytest.mark.parametrize("flow", WIDTHS)
def test_likelihoods_of_chains_are_those_they_were_drawn_with(flow):
    model = Velocities(flow)
    chain = run(flow, model)
    found = policy_of(FLOWS[flow], T, 0.1).log_prob(model.at(conditions()), chain.states)
    torch.testing.assert_close(found, chain.log_prob)
    rotations = FLOWS[flow].to_rotation(chain.samples)
    one = torch.eye(3, dtype=torch.float64).expand(B, S, 3, 3)
    torch.testing.assert_close(rotations @ rotations.transpose(-1, -2), one)


@pytest.mark.parametrize("flow", WIDTHS)
def test_gradients_are_those_of_shuffled_rows_and_conditions_are_encoded_once(flow):
    model, policy = Velocities(flow), policy_of(FLOWS[flow], T, 0.1)
    chain = run(flow, Velocities(flow))
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=seeded(number)).double())
    rewards = torch.randn(B, S, generator=seeded(7), dtype=torch.float64)
    gained = advantages(rewards, T)
    log_prob = policy.log_prob(model.at(conditions()), chain.states)
    update = clipped_update(log_prob, chain.log_prob, gained)
    update.loss.backward()
    assert model.encoded == B
    assert 0 < update.clipped < 1
    together = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for number in np.random.default_rng(0).permutation(B * S):
        i, j = divmod(int(number), S)
        each = policy.log_prob(model.at(conditions()[i : i + 1]), chain.states[i, j][None, None])
        part = slice(j, j + 1)
        old, gain = chain.log_prob[i : i + 1, part], gained[i : i + 1, part]
        (clipped_update(each, old, gain).loss / (B * S)).backward()
    for parameter, gradient in zip(model.parameters(), together, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("flow", WIDTHS)
def test_samples_do_not_see_each_other(flow):
    model, policy = Velocities(flow), policy_of(FLOWS[flow], T, 0.1)
    states = run(flow, model).states
    plain = policy.log_prob(model.at(conditions()), states)
    changed = states.clone()
    changed[1, 2] = states[0, 0]
    moved = policy.log_prob(model.at(conditions()), changed)
    same = torch.ones(B, S, dtype=torch.bool)
    same[1, 2] = False
    torch.testing.assert_close(moved[same], plain[same], rtol=1e-12, atol=1e-12)
    assert (moved[1, 2] != plain[1, 2]).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_chains_are_as_likely_under_turned_velocities(turns):
    turn = turn_matrix(turns, torch.float64)
    model = Velocities("so3")
    chain, network = run("so3", model), model.at(conditions())
    policy = FlowPolicy(FLOWS["so3"], T, 0.1)

    def turned(state, time):
        return network(turn.T @ state, time) @ turn.T

    found = policy.log_prob(turned, turn @ chain.states)
    torch.testing.assert_close(found, chain.log_prob)


def test_what_is_no_policy_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        FlowPolicy(FLOWS["so3"], 0)
    with pytest.raises(ValueError, match="have no likelihood"):
        policy_of(FLOWS["euclidean"], 4, 0.0)
    with pytest.raises(ValueError, match="a divisor of the schedule's 100"):
        policy_of(FLOWS["diffusion"], 3, 0.1)
