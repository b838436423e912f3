"""Flow matching of actions: lines, the grid of times, and distributions that come back."""

import pytest
import torch

from equigrasp.diffusion.flow_actions import ActionFlow, action_noise
from equigrasp.diffusion.schedules import Diffusion


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def share_of_noise(flow, step):
    return (step.double() + 1) / flow.steps


@pytest.mark.parametrize("shape", [(3, 4, 2), (3, 4, 5, 2)])
def test_samples_are_mixed_with_noise_by_the_step_of_each(shape):
    flow, sample, noise = ActionFlow(10), normal(*shape), normal(*shape, seed=1)
    step = torch.randint(0, 10, shape[:2], generator=seeded())
    share = share_of_noise(flow, step).view(3, 4, *[1] * (len(shape) - 2))
    mixed = flow.add_noise(sample, noise, step)
    torch.testing.assert_close(mixed, (1 - share) * sample + share * noise)
    torch.testing.assert_close(flow.add_noise(sample, noise, torch.full_like(step, 9)), noise)
    torch.testing.assert_close(mixed + share * flow.target(sample, noise, step), sample)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10])
def test_times_are_those_of_training_from_noise_to_sample(steps):
    flow, asked = ActionFlow(10), []

    def still(state, step):
        assert step.shape == state.shape[:2]
        asked.append(step.unique().item())
        return torch.zeros_like(state)

    flow.sample(still, normal(2, 3, 4), steps)
    assert len(asked) == steps
    assert asked[0] == 9
    assert asked == sorted(set(asked), reverse=True)
    assert sum(duration for _, duration in flow.stops(steps)) == pytest.approx(1.0)
    gaps = [duration * 10 for _, duration in flow.stops(steps)]
    assert max(gaps) - min(gaps) < 1 + 1e-9


@pytest.mark.parametrize("steps", [1, 3, 50])
def test_one_answer_is_reached_exactly_in_any_number_of_steps(steps):
    flow, sample, start = ActionFlow(50), normal(2, 1, 3, seed=3), normal(2, 6, 3)

    def perfect(state, step):
        return (sample - state) / share_of_noise(flow, step).unsqueeze(-1)

    found = flow.sample(perfect, start, steps)
    torch.testing.assert_close(found, sample.expand_as(found), rtol=0, atol=1e-9)


def test_several_answers_come_back_in_their_shares():
    """The best velocity is known in closed form: the mean of the answers as likely as they are."""
    flow = ActionFlow(200)
    answers = torch.tensor([[-1.0, 0.5], [1.0, 0.5], [0.0, -1.0]], dtype=torch.float64)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)

    def best(state, step):
        noise = share_of_noise(flow, step)[..., None, None]
        gap = (state.unsqueeze(2) - (1 - noise) * answers) / noise
        weights = (shares.log() - 0.5 * gap.square().sum(-1)).softmax(-1)
        return (weights @ answers - state) / noise[..., 0]

    found = flow.sample(best, normal(1, 4000, 2), 200)[0]
    gap, nearest = torch.cdist(found, answers).min(-1)
    assert (gap < 1e-6).double().mean() > 0.999
    counted = torch.bincount(nearest, minlength=3) / 4000
    torch.testing.assert_close(counted.double(), shares, rtol=0, atol=0.03)


def test_a_normal_distribution_is_learned_from_its_targets_and_comes_back():
    """At every step the best velocity is linear in the state, and least squares find it."""
    flow, mean, spread = ActionFlow(40), 0.7, 0.3
    sample = mean + spread * normal(1, 40_000, 1)
    noise = normal(1, 40_000, 1, seed=1)
    lines = []
    for k in range(flow.steps):
        step = torch.full((1, 40_000), k)
        state = flow.add_noise(sample, noise, step)[0]
        known = torch.cat([state, torch.ones_like(state)], -1)
        lines.append(torch.linalg.lstsq(known, flow.target(sample, noise, step)[0]).solution)
    lines = torch.stack(lines)[..., 0]

    def learned(state, step):
        return lines[step][..., :1] * state + lines[step][..., 1:]

    found = flow.sample(learned, normal(1, 20_000, 1, seed=2), 40)
    assert found.mean() == pytest.approx(mean, abs=0.01)
    assert found.std() == pytest.approx(spread, rel=0.1)  # of Euler's steps, each a 40th
    finer = ActionFlow(40).sample(lambda x, k: learned(x, k), normal(1, 20_000, 1, seed=2), 4)
    assert abs(finer.std() - spread) > abs(found.std() - spread)


def test_a_schedule_is_a_diffusion_or_the_flow():
    assert action_noise("flow", 30, "v_prediction") == ActionFlow(30)
    assert action_noise("cosine", 30, "sample") == Diffusion("cosine", 30, "sample")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: action_noise("flow", 10, "epsilon"), "prediction is 'epsilon'; a flow predicts"),
        (lambda: action_noise("rapid", 10, "epsilon"), "schedule is 'rapid'; .* zero_snr, flow"),
        (lambda: ActionFlow(0), "steps is 0; a flow has at least one"),
        (lambda: ActionFlow(5).sample(None, normal(1, 1, 1), 6), "steps is 6; the flow has 1 to 5"),
        (lambda: ActionFlow(5).sample(None, normal(1, 1, 1), 0), "steps is 0; the flow has 1 to 5"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
