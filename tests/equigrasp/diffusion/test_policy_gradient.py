"""Policy gradients of a two-level batch are those of its rows, one by one and in any order."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from torch import nn

from equigrasp.diffusion.batch import repeat_conditions
from equigrasp.diffusion.policy_gradient import (
    ChainPolicy,
    ValueHead,
    advantages,
    clipped_update,
)
from equigrasp.diffusion.schedules import PREDICTIONS, Diffusion

B, S, T, DIM = 3, 4, 5, 2
POLICY = ChainPolicy(Diffusion("cosine", 20), T)


class Denoiser(nn.Module):
    """A small network that encodes conditions (B, 3) once and counts how often."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.encode = nn.Linear(3, 8)
        self.body = nn.Sequential(nn.Linear(8 + DIM + 1, 32), nn.Tanh(), nn.Linear(32, DIM))
        self.encoded = 0
        self.double()

    def at(self, conditions):
        features = self.encode(conditions)
        self.encoded += len(conditions)

        def denoise(x, step):
            told = repeat_conditions(features, x.shape[1])
            time = step[..., None].to(x) / 20
            return self.body(torch.cat([told, x, time], -1))

        return denoise


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conditions():
    return noise(B, 3, seed=5)


def run(model, policy=POLICY, seed=1):
    with torch.no_grad():
        denoise = model.at(conditions())
    generator = torch.Generator().manual_seed(seed)
    return policy.run(denoise, noise(B, S, DIM, seed=2), generator)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_decisions_are_the_steps_of_ddpm(prediction):
    """With the deviations of the schedule itself the chain is the one that `diffusers` walks."""
    policy = ChainPolicy(Diffusion("cosine", 20, prediction), T, least_std=1e-12)
    denoise = Denoiser().at(conditions())
    start, added = noise(B, S, DIM, seed=2), [noise(B, S, DIM, seed=i) for i in range(T - 1)]
    expected = policy.diffusion.sample(denoise, start, T, sampler="ddpm", added=added)
    state = start
    for number, k in enumerate(policy.times):
        step = torch.full((B, S), int(k))
        mean, std = policy.decision(denoise(state, step), state, step)
        state = mean + std * (added[number] if number < T - 1 else 0)
    torch.testing.assert_close(state, expected, rtol=1e-5, atol=1e-5)


def test_likelihoods_are_those_of_the_normal_distribution():
    model = Denoiser()
    chain = run(model)
    denoise = model.at(conditions())
    again = POLICY.log_prob(denoise, chain.states)
    torch.testing.assert_close(again, chain.log_prob)
    for t, k in enumerate(POLICY.times):
        before, after = chain.states[:, :, t], chain.states[:, :, t + 1]
        step = torch.full((B, S), int(k))
        mean, std = (
            x.detach().numpy() for x in POLICY.decision(denoise(before, step), before, step)
        )
        expected = norm(mean, std).logpdf(after.numpy()).sum(-1)
        np.testing.assert_allclose(again[:, :, t].detach(), expected, rtol=1e-9)
        assert std.min() >= POLICY.least_std


def test_gradients_are_those_of_shuffled_rows_and_conditions_are_encoded_once():
    behaviour, model = Denoiser(0), Denoiser(0)
    chain = run(behaviour)
    with torch.no_grad():
        for parameter in model.parameters():  # the policy has moved since the chains were run
            parameter.add_(0.02 * noise(*parameter.shape, seed=9))
    gained = advantages(noise(B, S, seed=7), T, discount=0.9)
    log_prob = POLICY.log_prob(model.at(conditions()), chain.states)
    update = clipped_update(log_prob, chain.log_prob, gained)
    update.loss.backward()
    assert model.encoded == B
    assert 0 < update.clipped < 1
    together = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    rows = [(i, j, t) for i in range(B) for j in range(S) for t in range(T)]
    model.encoded = 0
    for number in np.random.default_rng(0).permutation(len(rows)):
        i, j, t = rows[number]
        before, after = chain.states[i, j, t], chain.states[i, j, t + 1]
        step = POLICY.times[t].expand(1, 1)
        denoise = model.at(conditions()[i : i + 1])
        mean, std = POLICY.decision(denoise(before[None, None], step), before[None, None], step)
        likelihood = torch.distributions.Normal(mean, std).log_prob(after).sum()
        ratio = (likelihood - chain.log_prob[i, j, t]).exp()
        held = ratio.clamp(0.9, 1.1)
        gain = gained[i, j, t]
        (-torch.minimum(ratio * gain, held * gain) / len(rows)).backward()
    assert model.encoded == B * S * T
    for parameter, gradient in zip(model.parameters(), together, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-12)


def test_samples_do_not_see_each_other():
    model = Denoiser()
    states = run(model).states
    plain = POLICY.log_prob(model.at(conditions()), states)
    changed = states.clone()
    changed[1, 2] += 1.0
    moved = POLICY.log_prob(model.at(conditions()), changed)
    same = torch.ones(B, S, dtype=torch.bool)
    same[1, 2] = False
    assert torch.equal(moved[same], plain[same])
    assert (moved[1, 2] != plain[1, 2]).all()


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 1.0))
def test_advantages_compare_with_the_other_samples(seed, discount):
    rewards = torch.from_numpy(np.random.default_rng(seed).normal(size=(B, S)))
    found = advantages(rewards, T, discount=discount, normalise=False)
    assert found.shape == (B, S, T)
    for j in range(S):
        others = rewards[:, [i for i in range(S) if i != j]].mean(1)
        torch.testing.assert_close(found[:, j, -1], rewards[:, j] - others)
    torch.testing.assert_close(found[..., 0], found[..., -1] * discount ** (T - 1))
    scaled = advantages(rewards, T)
    torch.testing.assert_close(scaled[..., 0].std(correction=0), torch.tensor(1.0).double())
    valued = advantages(rewards, T, values=rewards.mean(1), normalise=False)
    torch.testing.assert_close(valued[..., 0], rewards - rewards.mean(1, keepdim=True))


def test_the_surrogate_stops_where_ratios_leave_the_bounds():
    old = torch.zeros(1, 1, 4, dtype=torch.float64)
    log_prob = torch.tensor([[[0.3, 0.3, -0.3, -0.3]]], dtype=torch.float64, requires_grad=True)
    gained = torch.tensor([[[1.0, -1.0, 1.0, -1.0]]], dtype=torch.float64)
    update = clipped_update(log_prob, old, gained, clip=0.1)
    update.loss.backward()
    up, down = math.exp(0.3), math.exp(-0.3)
    assert update.loss.item() == pytest.approx(-(1.1 - up + down - 0.9) / 4)
    np.testing.assert_allclose(log_prob.grad[0, 0], [0, up / 4, -down / 4, 0], atol=1e-12)
    assert update.clipped == 1
    assert update.divergence.item() == pytest.approx((up - 1.3 + down - 0.7) / 2)


def test_a_policy_learns_what_is_rewarded():
    """Each condition is rewarded for a place of its own."""
    policy = ChainPolicy(Diffusion("cosine", 20, "sample"), T, least_std=0.2)
    model, value = Denoiser(3), ValueHead(3).double()
    places = noise(B, 1, DIM, seed=11)
    parameters = [*model.parameters(), *value.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    generator, means = torch.Generator().manual_seed(0), []
    for _ in range(60):
        with torch.no_grad():
            denoise = model.at(conditions())
        start = torch.randn(B, 16, DIM, generator=generator, dtype=torch.float64)
        chain = policy.run(denoise, start, generator)
        rewards = -(chain.samples - places).square().sum(-1)
        means.append(rewards.mean().item())
        for _ in range(3):
            promised = value(conditions())
            gained = advantages(rewards, T, values=promised)
            log_prob = policy.log_prob(model.at(conditions()), chain.states)
            loss = clipped_update(log_prob, chain.log_prob, gained).loss
            loss = loss + 0.1 * (promised - rewards.mean(1)).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert np.mean(means[-5:]) > 0.5 * np.mean(means[:5])  # rewards are negative


def test_what_is_no_policy_is_refused():
    with pytest.raises(ValueError, match="a divisor of the schedule's 20"):
        ChainPolicy(Diffusion("cosine", 20), 6)
    with pytest.raises(ValueError, match="have no likelihood"):
        ChainPolicy(Diffusion("cosine", 20), 5, least_std=0.0)
    with pytest.raises(ValueError, match="give values"):
        advantages(torch.zeros(2, 1), T)
