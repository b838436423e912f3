"""Fine-tuning: updates are those of shuffled rows, observations are encoded once, rewards rise."""

import itertools

import pytest
import torch

from equigrasp.diffusion.batch import replicate_conditions
from equigrasp.policy.chunks.chunk_io import Observed
from equigrasp.policy.chunks.diffusion_policy import DENOISERS, DiffusionPolicy
from equigrasp.policy.chunks.fine_tuning import Decisions, Tuner, TuningSettings, returns, taken
from equigrasp.policy.chunks.synthetic import random_observed, small_policy

KINDS = list(itertools.product(("state", "image"), DENOISERS))
N, T = 5, 4


def tuner_and_decisions(sees="state", denoiser="mlp"):
    torch.manual_seed(0)
    tuner = Tuner(
        small_policy(sees, denoiser), TuningSettings(chain_steps=T, batch_size=2)
    ).double()
    seen, generator = random_observed(sees, N), torch.Generator().manual_seed(0)
    noise = tuner.policy.noise
    tuner.policy.noise = lambda *args: noise(*args).double()
    chain, value = tuner.decide(seen, generator)
    returned = torch.randn(N, generator=generator, dtype=torch.float64)
    decisions = Decisions(seen, chain.states, chain.log_prob, value, returned)
    with torch.no_grad():  # the policy that learns is not the one that played
        for parameter in tuner.parameters():
            parameter.add_(0.002 * torch.randn_like(parameter))
    return tuner, decisions


def gradient(tuner, loss):
    tuner.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in tuner.policy.parameters() if p.grad is not None])


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_an_update_is_that_of_shuffled_rows_which_encode_anew(kind):
    tuner, decisions = tuner_and_decisions(*kind)
    gained = tuner.gains(decisions)
    found = tuner.losses(decisions, gained)
    together = gradient(tuner, found["policy"])

    seen = Observed(*(None if x is None else replicate_conditions(x, T) for x in decisions.seen))
    before = decisions.states[:, 0, :-1].flatten(0, 1).unsqueeze(1)
    after = decisions.states[:, 0, 1:].flatten(0, 1).unsqueeze(1)
    step = tuner.chain.times.tile(N)[:, None]
    old, gains = decisions.log_prob.flatten(), gained.flatten()
    order, total = torch.randperm(N * T), torch.zeros(())
    for rows in order.split(3):
        part = Observed(*(None if x is None else x[rows] for x in seen))
        predicted = tuner.policy.predict(tuner.policy.encode(part), before[rows], step[rows])
        mean, std = tuner.chain.decision(predicted, before[rows], step[rows])
        normal = torch.distributions.Normal(mean, std)
        ratio = (normal.log_prob(after[rows]).flatten(1).sum(1) - old[rows]).exp()
        held = ratio.clamp(0.9, 1.1)
        total = total - torch.minimum(ratio * gains[rows], held * gains[rows]).sum() / (N * T)
    torch.testing.assert_close(found["policy"], total, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(together, gradient(tuner, total), rtol=1e-7, atol=1e-11)
    assert together.abs().max() > 1e-3


def test_an_update_encodes_every_observation_once():
    tuner, decisions = tuner_and_decisions("image")
    counted = []
    tuner.policy.encoder.register_forward_hook(lambda *_: counted.append(len(_[2])))
    tuner.losses(decisions, tuner.gains(decisions))
    assert counted == [N]


def test_decisions_do_not_see_each_other():
    tuner, decisions = tuner_and_decisions()

    def likelihood(states):
        encoded = tuner.policy.encode(decisions.seen)
        return tuner.chain.log_prob(lambda x, k: tuner.policy.predict(encoded, x, k), states)

    states = decisions.states.clone()
    states[1, 0, 2] += 1
    difference = (likelihood(states) - likelihood(decisions.states)).abs()[:, 0]
    assert difference[1, 1:3].min() > 1e-3  # into the state and out of it
    difference[1, 1:3] = 0
    assert difference.max() < 1e-9


def test_the_value_learns_without_shaping_the_encoding():
    tuner, decisions = tuner_and_decisions()
    tuner.zero_grad()
    tuner.losses(decisions, tuner.gains(decisions))["value"].backward()
    assert all(p.grad is None for p in tuner.policy.parameters())
    assert all(p.grad.abs().sum() > 0 for p in tuner.value.parameters())


def test_returns_are_sums_of_discounted_surprises():
    settings = TuningSettings(discount=0.9, smoothing=0.8)
    rewards, values = [1.0, 0.0, 2.0], [0.5, 0.2, 0.7]
    surprise = [1 + 0.9 * 0.2 - 0.5, 0 + 0.9 * 0.7 - 0.2, 2 + 0.9 * 0.3 - 0.7]
    wanted = [
        sum((0.9 * 0.8) ** (j - i) * surprise[j] for j in range(i, 3)) + values[i] for i in range(3)
    ]
    assert returns(rewards, values, 0.3, settings) == pytest.approx(wanted)
    plain = TuningSettings(discount=1.0, smoothing=1.0)
    assert returns(rewards, values, 0.0, plain) == pytest.approx([3.0, 2.0, 2.0])


def test_rewards_rise():
    """Chunks are paid for going right; a fresh policy goes anywhere."""
    torch.manual_seed(0)
    policy = DiffusionPolicy(denoiser="mlp", channels=16, hidden=64, layers=1, horizon=9)
    settings = TuningSettings(learning_rate=1e-3, epochs=4, divergence=10.0, chain_steps=T)
    tuner, generator = Tuner(policy, settings), torch.Generator().manual_seed(0)
    earned = []
    for _ in range(12):
        seen = random_observed("state", 96, dtype=torch.float32)
        chain, value = tuner.decide(seen, generator)
        reward = tuner.policy.played(chain.samples[:, 0])[..., 0].mean(-1)
        earned.append(float(reward.mean()))
        tuner.learn(Decisions(seen, chain.states, chain.log_prob, value, reward), generator)
    assert abs(earned[0]) < 0.1
    assert earned[-1] > earned[0] + 0.1


def test_updates_end_when_the_policy_has_moved_too_far():
    tuner, decisions = tuner_and_decisions()
    with torch.no_grad():
        for parameter in tuner.policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    before = [p.clone() for p in tuner.parameters()]
    told = tuner.learn(decisions, torch.Generator().manual_seed(0))
    assert told["divergence"] > 0.1
    assert told["updates"] == 1
    assert all(torch.equal(a, b) for a, b in zip(before, tuner.parameters(), strict=True))


def test_some_decisions_are_taken_whole():
    _, decisions = tuner_and_decisions("image")
    part = taken(decisions, torch.tensor([3, 1]))
    assert torch.equal(part.seen.image[0], decisions.seen.image[3])
    assert torch.equal(part.returned, decisions.returned[[3, 1]])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"discount": 1.5}, "discount is 1.5"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
    ],
)
def test_impossible_settings_are_named(option, message):
    with pytest.raises(ValueError, match=message):
        TuningSettings(**option)
