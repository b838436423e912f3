import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.rotation_bins import BINS, bins_to_rotation, rotation_to_bins
from equigrasp.policy.keyframes.synthetic import SENTENCES, random_observations, replicated, stirred
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.local_query import LocalQuery
from equigrasp.policy.nn.point_encoder import Points
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.nn.whitening import unwhiten, whiten


def policy(seed=0):
    torch.manual_seed(seed)
    return MiniDiffuser(
        Vocabulary.of(SENTENCES), widths=(24, 48), channels=24, head_channels=12, patch=16
    ).double()


def test_samples_and_conditions_are_isolated():
    model, seen = stirred(policy()), random_observations()
    memory = model.encode(seen).denoising
    noised = torch.randn(3, 4, 3, dtype=torch.float64)
    step = torch.randint(0, 100, (3, 4))
    base = model.predict(memory, noised, step)
    moved = noised.clone()
    moved[1, 2] += 0.5
    changed = (model.predict(memory, moved, step) - base).abs().amax(-1) > 1e-12
    assert changed.nonzero().tolist() == [[1, 2]]
    other = Observations(*seen[:4], [SENTENCES[0], SENTENCES[2], SENTENCES[2]])
    other.xyz[1] += 0.01
    again = model.predict(model.encode(other).denoising, noised, step)
    changed = (again - base).abs().amax((1, 2)) > 1e-9
    assert changed.tolist() == [False, True, False]


def test_two_levels_equal_naive_replication():
    model, seen = stirred(policy()), random_observations()
    memory = model.encode(seen).denoising
    noised = torch.randn(3, 5, 3, dtype=torch.float64)
    step = torch.randint(0, 100, (3, 5))
    base = model.predict(memory, noised, step)
    flat = model.encode(replicated(seen, 5)).denoising
    naive = model.predict(flat, noised.flatten(0, 1)[:, None], step.flatten()[:, None])
    torch.testing.assert_close(base.flatten(0, 1), naive[:, 0])


def test_gradients_of_the_encoder_equal_naive_replication():
    grads = []
    for replicate in (1, 4):
        model, seen = stirred(policy()), random_observations()
        noised = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(1)).double()
        step = torch.arange(12).view(3, 4) * 8
        if replicate > 1:
            seen = replicated(seen, 4)
            noised, step = noised.flatten(0, 1)[:, None], step.flatten()[:, None]
        memory = model.encode(seen).denoising
        model.predict(memory, noised, step).square().mean().backward()
        grads.append([p.grad for p in model.points.parameters()])
    for first, second in zip(*grads, strict=True):
        torch.testing.assert_close(first, second)


def test_the_same_generator_gives_the_same_action():
    model, seen = policy(), random_observations()
    first, second, other = (
        model.act(seen, candidates=4, steps=3, generator=torch.Generator().manual_seed(s))
        for s in (0, 0, 1)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first.position, other.position)
    assert first.bins.shape == (3, 3)
    assert ((first.bins >= 0) & (first.bins < BINS)).all()


def test_it_learns_what_the_sentence_asks_for():
    torch.manual_seed(0)
    model = MiniDiffuser(
        Vocabulary.of(SENTENCES), widths=(24, 48), channels=48, head_channels=24, patch=32
    )
    one = random_observations(1, 32)
    alike = [t.expand(3, *t.shape[1:]) for t in one[:4]]
    seen = Observations(*(t if t.dtype == torch.bool else t.float() for t in alike), SENTENCES)
    wanted = Actions(
        torch.tensor([[0.1, 0.1, 0.8], [0.3, -0.1, 0.9], [0.2, 0.0, 1.1]]),
        torch.tensor([[0, 36, 40], [0, 36, 30], [5, 36, 36]]),
        torch.tensor([1, 0, 1]),
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        losses = model.losses(seen, wanted, 32, generator)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    found = model.act(seen, generator=torch.Generator().manual_seed(0))
    assert (found.position - wanted.position).norm(dim=-1).max() < 0.03
    assert found.bins.equal(wanted.bins)
    assert found.open.tolist() == [1, 0, 1]


def test_the_local_query_is_a_dense_convolution_asked_at_a_cell():
    torch.manual_seed(0)
    layer = LocalQuery(5, 7, 0.05).double()
    xyz = torch.rand(2, 60, 3, dtype=torch.float64) * 0.4 - 0.2
    features = torch.randn(2, 60, 5, dtype=torch.float64)
    mask = torch.rand(2, 60) < 0.8
    points = Points(features.masked_fill(~mask[..., None], 0.0), xyz, mask)
    positions = torch.rand(2, 9, 3, dtype=torch.float64) * 0.5 - 0.25
    grid = torch.zeros(2, 5, 14, 14, 14, dtype=torch.float64)
    counts = torch.zeros(2, 1, 14, 14, 14, dtype=torch.float64)
    for b, n in itertools.product(range(2), range(60)):
        if mask[b, n]:
            i, j, k = ((xyz[b, n] / 0.05).floor().long() + 7).tolist()
            grid[b, :, i, j, k] += features[b, n]
            counts[b, :, i, j, k] += 1
    kernel = layer.kernel.detach().view(3, 3, 3, 5, 7).permute(4, 3, 0, 1, 2)
    dense = torch.nn.functional.conv3d(grid / counts.clamp(min=1), kernel, padding=1)
    for b, m in itertools.product(range(2), range(9)):
        i, j, k = ((positions[b, m] / 0.05).floor().long() + 7).tolist()
        torch.testing.assert_close(layer(points, positions)[b, m], dense[b, :, i, j, k])


@given(st.integers(0, 2**32 - 1))
def test_bins_are_within_their_width(seed):
    rotation = Rotation.random(20, random_state=seed).as_matrix()
    again = bins_to_rotation(rotation_to_bins(rotation))
    angle = Rotation.from_matrix(np.swapaxes(rotation, 1, 2) @ again).magnitude()
    assert np.degrees(angle).max() < 8


def test_looking_down_is_one_bin_whatever_the_rounding():
    for yaw, shake in itertools.product((0.0, 0.7, -2.0), (-1e-4, 1e-4)):
        turn = Rotation.from_euler("xyz", [np.pi + shake, shake, yaw]).as_matrix()
        bins = rotation_to_bins(turn)
        assert bins[:2].tolist() == [0, BINS // 2]


@pytest.mark.parametrize("pitch", [90.0, -90.0, 89.5, -89.5])
def test_at_the_pole_nothing_is_lost(pitch):
    rotation = Rotation.from_euler("xyz", [20.0, pitch, -35.0], degrees=True).as_matrix()
    again = bins_to_rotation(rotation_to_bins(rotation))
    angle = Rotation.from_matrix(rotation.T @ again).magnitude()
    assert np.degrees(angle) < 6


def test_whitening_round_trip():
    x = torch.randn(4, 3)
    torch.testing.assert_close(unwhiten(whiten(x)), x)
