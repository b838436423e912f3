"""What a two-level batch promises, for both denoisers and both kinds of observations."""

import itertools

import pytest
import torch

from equigrasp.diffusion.batch import replicate_conditions
from equigrasp.policy.chunks.chunk_io import Observed
from equigrasp.policy.chunks.diffusion_policy import DENOISERS, DiffusionPolicy
from equigrasp.policy.chunks.synthetic import random_observed, small_policy

KINDS = list(itertools.product(("state", "image"), DENOISERS))
B, M, L = 3, 4, 16


@pytest.fixture(params=KINDS, ids="-".join)
def kind(request):
    return request.param


def draws(seed=0, samples=M):
    generator = torch.Generator().manual_seed(seed)
    wanted = 2 * torch.rand(B, L, 2, generator=generator, dtype=torch.float64) - 1
    noise = torch.randn(B, samples, L, 2, generator=generator, dtype=torch.float64)
    return wanted, torch.randint(0, 100, (B, samples), generator=generator), noise


def test_samples_do_not_see_each_other_nor_other_observations(kind):
    policy, seen = small_policy(*kind), random_observed(kind[0])
    _, step, noised = draws()
    before = policy.predict(policy.encode(seen), noised, step)
    changed, later = noised.clone(), step.clone()
    changed[1, 2] += 1
    later[1, 2] = (later[1, 2] + 50) % 100
    difference = (policy.predict(policy.encode(seen), changed, later) - before).abs().amax((2, 3))
    assert difference[1, 2] > 1e-4
    difference[1, 2] = 0
    assert difference.max() < 1e-12


def test_an_observation_reaches_all_of_its_samples_and_no_others(kind):
    policy, seen = small_policy(*kind), random_observed(kind[0])
    _, step, noised = draws()
    before = policy.predict(policy.encode(seen), noised, step)
    other = random_observed(kind[0], seed=1)
    parts = (
        None if a is None else torch.cat([a[:1], b[1:2], a[2:]])
        for a, b in zip(seen, other, strict=True)
    )
    after = policy.predict(policy.encode(Observed(*parts)), noised, step)
    difference = (after - before).abs().amax((2, 3))
    assert difference[1].min() > 1e-5
    assert difference[[0, 2]].max() < 1e-12


def test_loss_and_gradients_are_those_of_replicated_observations(kind):
    policy, seen = small_policy(*kind), random_observed(kind[0])
    wanted, step, noise = draws()
    grown = Observed(*(None if x is None else replicate_conditions(x, M) for x in seen))
    rows = [t.flatten(0, 1).unsqueeze(1) for t in (step, noise)]
    found = []
    for args in (
        (policy.encode(seen), wanted, step, noise),
        (policy.encode(grown), replicate_conditions(wanted, M), *rows),
    ):
        policy.zero_grad()
        loss = policy.loss_at(*args)
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])
        found.append((loss, gradient))
    torch.testing.assert_close(*(loss for loss, _ in found), rtol=1e-10, atol=0)
    torch.testing.assert_close(*(g for _, g in found), rtol=1e-8, atol=1e-12)


def test_an_observation_is_encoded_once_whatever_the_samples(kind):
    policy, counted = small_policy(*kind), []
    policy.encoder.register_forward_hook(lambda *_: counted.append(len(_[2])))
    seen = random_observed(kind[0])
    wanted, *_ = draws()
    with torch.no_grad():
        policy.float()
        single = Observed(*(None if x is None else x.float() for x in seen))
        policy.loss(single, wanted.float(), 64, torch.Generator().manual_seed(0))
        policy.act(single, [torch.Generator()] * B, steps=5)
    assert counted == [B, B]


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_actions_do_not_depend_on_the_company(kind, sampler):
    policy, seen = small_policy(*kind).float(), random_observed(kind[0])
    seen = Observed(*(None if x is None else x.float() for x in seen))

    def acted(rows):
        noise = [torch.Generator().manual_seed(row) for row in rows]
        part = Observed(*(None if x is None else x[rows] for x in seen))
        return policy.act(part, noise, steps=4, sampler=sampler)

    together = acted([0, 1, 2])
    assert together.shape == (B, 8, 2)
    assert together.abs().max() <= 1
    torch.testing.assert_close(acted([2, 0]), together[[2, 0]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("denoiser", DENOISERS)
def test_it_learns_which_way_to_go(denoiser):
    """Three states ask for three different chunks."""
    torch.manual_seed(0)
    policy = DiffusionPolicy(denoiser=denoiser, widths=(16, 32), channels=32, layers=2, hidden=64)
    seen = Observed(torch.eye(3)[:, None].tile(1, 2, 6), None)
    line = torch.linspace(-0.6, 0.6, L)
    wanted = torch.stack(
        [torch.stack([line * a, line * b], -1) for a, b in ((1, 0), (0, 1), (-1, 1))]
    )
    optimiser = torch.optim.AdamW(policy.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        optimiser.zero_grad()
        policy.loss(seen, wanted, 16, generator).backward()
        optimiser.step()
    chosen = policy.act(seen, [torch.Generator().manual_seed(i) for i in range(3)])
    assert (chosen - policy.played(wanted)).abs().mean() < 0.12


def test_the_middle_of_a_larger_picture_is_looked_at():
    policy = small_policy("image")
    seen = random_observed("image", size=28)
    cut = Observed(seen.state, seen.image[..., 2:26, 2:26])
    torch.testing.assert_close(policy.tokens(seen), policy.tokens(cut), rtol=0, atol=0)


def test_a_picture_that_moves_moves_its_places():
    from equigrasp.policy.chunks.encoders import spatial_softmax

    features = torch.zeros(1, 1, 11, 11)
    features[0, 0, 2, 7] = 50.0
    torch.testing.assert_close(spatial_softmax(features), torch.tensor([[0.4, -0.6]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sees": "sound"}, "sees is 'sound'"),
        ({"denoiser": "gru"}, "denoiser is 'gru'"),
        ({"executed": 16}, "raise horizon"),
        ({"widths": (8, 12)}, "multiples of 8"),
        ({"horizon": 18, "widths": (8, 16, 32)}, "multiple of 4"),
        ({"sees": "image", "image_widths": (8, 20)}, "multiples of 8"),
        ({"horizon": 0}, "horizon is 0"),
        ({"schedule": "none"}, "schedule='none'"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DiffusionPolicy(**options)


def test_what_does_not_fit_is_refused():
    policy = small_policy("image")
    state, image = random_observed("image")
    wanted, *_ = draws()
    generator = torch.Generator()
    for seen, message in (
        (Observed(state[:, :1], image), "state has shape"),
        (Observed(state, None), "looks at pictures"),
        (Observed(state, image[..., :20]), "image has shape"),
        (Observed(state[:2], image), "image has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            policy.loss(seen, wanted[: len(seen.state)], M, generator)
    with pytest.raises(ValueError, match="0 samples"):
        policy.loss(Observed(state, image), wanted, 0, generator)
    with pytest.raises(ValueError, match="chunks of shape"):
        policy.loss(Observed(state, image), wanted[:, :8], M, generator)
    with pytest.raises(ValueError, match="1 generators for 3"):
        policy.act(Observed(state, image), [generator])
