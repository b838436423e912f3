"""Denoising diffusion through diffusers: levels, targets, samplers."""

import pytest
import torch

from equigrasp.diffusion.schedules import BETAS, PREDICTIONS, Diffusion, sample_together


def all_valid():
    return [
        Diffusion(schedule, 50, prediction)
        for schedule in BETAS
        for prediction in PREDICTIONS
        if not (schedule == "zero_snr" and prediction == "epsilon")
    ]


def data():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 4, 2, generator=generator, dtype=torch.float64) for _ in range(2)]


@pytest.mark.parametrize("diffusion", all_valid(), ids=str)
def test_a_perfect_denoiser_recovers_the_sample(diffusion):
    sample, noise = data()
    alphas = diffusion.alphas().double()

    def perfect(x, step):
        alpha = alphas[step][..., None]
        implied = (x - alpha.sqrt() * sample) / (1 - alpha).sqrt()
        return diffusion.target(sample, implied, step)

    for steps in (1, 10, 50):
        out = diffusion.sample(perfect, noise, steps)
        if diffusion.schedule == "zero_snr" or diffusion.schedule == "cosine":
            torch.testing.assert_close(out, sample, rtol=0, atol=2e-2)
        else:  # the published schedules keep a signal to the end, which pure noise does not have
            assert out.shape == sample.shape


@pytest.mark.parametrize("diffusion", all_valid(), ids=str)
def test_noise_and_targets_agree_with_diffusers(diffusion):
    sample, noise = data()
    step = torch.randint(0, 50, (3, 4), generator=torch.Generator().manual_seed(1))
    reference = diffusion._scheduler("ddim")
    flat = [x.flatten(0, 1) for x in (sample, noise, step)]
    mixed = reference.add_noise(*flat).unflatten(0, (3, 4))
    torch.testing.assert_close(diffusion.add_noise(sample, noise, step), mixed, rtol=0, atol=1e-6)
    if diffusion.prediction == "v_prediction":
        velocity = reference.get_velocity(*flat).unflatten(0, (3, 4))
        torch.testing.assert_close(
            diffusion.target(sample, noise, step), velocity, rtol=0, atol=1e-6
        )


def test_terminal_signal():
    assert Diffusion("zero_snr", 100, "sample").alphas()[-1] < 1e-6
    assert Diffusion("cosine", 100).alphas()[-1] < 1e-4
    # what the published policies use: sampling from pure noise starts where training never was
    assert Diffusion("scaled_linear", 100).alphas()[-1] > 0.4


def test_sampling_repeats_by_seed():
    diffusion = Diffusion()
    start = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0))

    def denoiser(x, step):
        return 0.5 * x * (step[..., None] > 20)

    def run(sampler, seed):
        generator = torch.Generator().manual_seed(seed)
        return diffusion.sample(denoiser, start, 10, sampler=sampler, generator=generator)

    assert torch.equal(run("ddim", 0), run("ddim", 1))
    assert torch.equal(run("ddpm", 0), run("ddpm", 0))
    assert not torch.equal(run("ddpm", 0), run("ddpm", 1))
    with pytest.raises(ValueError, match="ddpm sampler adds noise at every step; give a generator"):
        diffusion.sample(denoiser, start, sampler="ddpm")


def test_samples_do_not_mix():
    diffusion = Diffusion()
    start = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0))
    changed = start.clone()
    changed[1, 2] += 1
    first, second = (diffusion.sample(lambda x, k: 0.3 * x, s, 5) for s in (start, changed))
    moved = (first != second).any(-1)
    assert moved.tolist() == [[False] * 3, [False, False, True]]


def test_variables_that_do_not_meet_are_sampled_as_if_alone():
    kinds = [Diffusion("scaled_linear", 50), Diffusion("cosine", 50, "v_prediction")]
    starts = data()
    together = sample_together(kinds, lambda x, k: [0.3 * x[0], 0.2 * x[1]], starts, 7)
    alone = [
        kind.sample(lambda x, k, share=share: share * x, start, 7)
        for kind, share, start in zip(kinds, (0.3, 0.2), starts, strict=True)
    ]
    for first, second in zip(together, alone, strict=True):
        torch.testing.assert_close(first, second)
    mixed = sample_together(kinds, lambda x, k: [0.3 * x[1], 0.2 * x[1]], starts, 7)
    assert not torch.allclose(mixed[0], alone[0])
    torch.testing.assert_close(mixed[1], alone[1])


def test_options_are_checked():
    kinds = [Diffusion(steps=100), Diffusion(steps=50)]
    with pytest.raises(ValueError, match=r"\[50, 100\] steps"):
        sample_together(kinds, lambda x, k: x, [torch.zeros(1, 1, 1)] * 2)
    with pytest.raises(ValueError, match="schedule='steep'"):
        Diffusion("steep")
    with pytest.raises(ValueError, match="v_prediction"):
        Diffusion("zero_snr", 100, "epsilon")
    with pytest.raises(ValueError, match="steps is 0"):
        Diffusion(steps=0)
    with pytest.raises(ValueError, match="steps is 200"):
        Diffusion().sample(lambda x, k: x, torch.zeros(1, 1, 1), 200)
    with pytest.raises(ValueError, match="sampler"):
        Diffusion().sample(lambda x, k: x, torch.zeros(1, 1, 1), 5, sampler="magic")


@pytest.mark.parametrize("steps", [1, 5, 10, 50])
def test_sampling_begins_at_the_noisiest_step(steps):
    asked = []

    def denoiser(x, step):
        asked.append(int(step[0, 0]))
        return x

    Diffusion("cosine", 50).sample(denoiser, torch.zeros(1, 1, 2), steps)
    assert asked == list(range(49, -1, -50 // steps))
