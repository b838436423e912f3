"""Diffusion of a rotation's rows: what is predicted, turns, and the samplers."""

import pytest
import torch

from equigrasp.diffusion.flow_diffusion import RowsDiffusion
from equigrasp.diffusion.schedules import Diffusion
from equigrasp.geometry.rotations import random_rotations, symmetric_geodesic_distance
from equigrasp.geometry.turns import turn_matrix

samplers = pytest.mark.parametrize("flow", [RowsDiffusion("ddim"), RowsDiffusion("ddpm")])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def goals(points=4, samples=6):
    return random_rotations((points, samples), seeded(), torch.float64)


def noise(flow, steps, points=4, samples=6):
    shape = (points, samples, *flow.draws(steps))
    return flow.prior(shape, seeded(1), torch.float64)


def perfect(flow, goal):
    """A network that knows what it is to reach: its velocity at a state, from the target."""

    def network(state, time):
        step = (time * flow.diffusion.steps).round().long()
        alpha = flow.diffusion.alphas().to(state)[step][..., None, None]
        hidden = (state - alpha.sqrt() * goal) / (1 - alpha).sqrt()
        return alpha.sqrt() * hidden - (1 - alpha).sqrt() * goal

    return network


@samplers
@pytest.mark.parametrize("steps", [1, 2, 4, 10, 100])
def test_a_perfect_network_reaches_the_target_in_any_number_of_steps(flow, steps):
    target = goals()[..., :2, :]
    reached = flow.carry(perfect(flow, target), noise(flow, steps), steps)
    torch.testing.assert_close(reached, target, rtol=0, atol=1e-4)
    distance = symmetric_geodesic_distance(flow.to_rotation(reached), goals())
    assert distance.max() < 1e-3


def test_what_is_to_be_predicted_tells_both_noise_and_rotation():
    flow, goal = RowsDiffusion(), goals()
    start = noise(flow, 1)
    target = flow.pair(start, goal)
    time = flow.times((4, 6), seeded(2), torch.float64)
    state = flow.interpolate(start, target, time)
    wanted = flow.velocity(start, target, time)
    torch.testing.assert_close(perfect(flow, target)(state, time), wanted, rtol=0, atol=1e-6)
    assert (time < 1).all()
    with pytest.raises(ValueError, match="depends on the time"):
        flow.velocity(start, target)


@samplers
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_noise_gives_turned_rows_whatever_is_added(flow, turns):
    """With any network that turns with its state, here a nonlinear one."""
    turn = turn_matrix(turns, torch.float64)[:2, :2]

    def network(state, time):
        length = state.norm(dim=-2, keepdim=True)  # of the horizontal columns: no turn changes it
        return state * torch.tanh(length) + time[..., None, None] * state

    start = noise(flow, 5)
    plain, turned = (flow.carry(network, n, 5) for n in (start, turn @ start))
    torch.testing.assert_close(turned, turn @ plain, rtol=0, atol=1e-12)
    assert (plain - flow.carry(network, start + 0.1, 5)).abs().max() > 1e-3


def test_given_noise_makes_the_chain_of_diffusers_ddpm():
    """DDIM with eta 1 over all steps is DDPM: the same numbers from the same noise."""
    from diffusers import DDPMScheduler

    diffusion = Diffusion("cosine", 20, "v_prediction")
    oracle = DDPMScheduler(
        20, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False
    )
    oracle.set_timesteps(20)
    draws = torch.randn(20, 3, 2, 6, generator=seeded(), dtype=torch.float64)

    def network(state, step):
        return torch.sin(state) + step[..., None] / 20

    state = draws[0]
    for index, k in enumerate(oracle.timesteps):
        predicted = network(state, torch.full((3, 2), int(k)))
        mean = oracle.step(predicted, k, state, generator=seeded()).prev_sample
        if index < 19:  # take the oracle's own noise out again, and put ours in
            own = torch.randn(state.shape, generator=seeded(), dtype=state.dtype)
            spread = oracle._get_variance(int(k)) ** 0.5
            mean = mean + spread * (draws[index + 1] - own)
        state = mean
    ours = diffusion.sample(network, draws[0], 20, sampler="ddpm", added=list(draws[1:]))
    torch.testing.assert_close(ours, state, rtol=0, atol=1e-5)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="sampler is 'euler'"):
        RowsDiffusion("euler")
    flow = RowsDiffusion("ddpm")
    with pytest.raises(ValueError, match="noise of 4 steps for 3"):
        flow.carry(perfect(flow, goals()[..., :2, :]), noise(flow, 5), 3)


def test_what_ddpm_adds_is_the_noise_behind_the_start():
    flow, steps = RowsDiffusion("ddpm"), 5
    drawn = noise(flow, steps)

    def network(state, time):
        return torch.sin(state) + time[..., None, None]

    total = flow.diffusion.steps
    expected = flow.diffusion.sample(
        lambda state, step: network(state, step.to(state) / total),
        drawn[:, :, 0],
        steps,
        sampler="ddpm",
        added=[drawn[:, :, number] for number in range(1, steps)],
    )
    assert torch.equal(flow.carry(network, drawn, steps), expected)
