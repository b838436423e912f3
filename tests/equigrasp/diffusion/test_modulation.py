"""Time codes and modulation."""

import pytest
import torch

from equigrasp.diffusion.modulation import (
    AdaptiveLayerNorm,
    FiLM,
    Shared,
    TimeCode,
    sinusoidal_embedding,
)


def test_codes_tell_times_apart_over_the_whole_interval():
    times = torch.linspace(0, 1, 101)
    codes = sinusoidal_embedding(times, 16)
    assert codes.shape == (101, 16)
    assert torch.pdist(codes).min() > 0.1
    # taken as a step count instead of stretched, the whole interval would span less than this
    assert (codes[-1] - codes[0]).norm() > 1.5
    torch.testing.assert_close(codes.norm(dim=1), torch.full((101,), 8**0.5))


def test_modulation_starts_as_the_identity_and_learns_per_sample():
    x, context = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 5)
    film = FiLM(5, 8)
    torch.testing.assert_close(film(x, context), x)
    norm = AdaptiveLayerNorm(5, 8)
    torch.testing.assert_close(norm(x, context), torch.nn.functional.layer_norm(x, (8,)))
    torch.nn.init.normal_(film.linear.weight)
    changed = context.clone()
    changed[1, 2] += 1
    moved = (film(x, changed) - film(x, context)).abs().amax((-1, -2)) > 0
    assert moved.sum() == 1
    assert moved[1, 2]


def test_contexts_that_samples_share_modulate_as_if_each_had_its_own():
    film = FiLM(5, 8).double()
    torch.nn.init.normal_(film.linear.weight)
    torch.nn.init.normal_(film.linear.bias)
    x = torch.randn(2, 3, 4, 8, dtype=torch.float64)
    rows, words = (torch.randn(n, 5, dtype=torch.float64, requires_grad=True) for n in (3, 2))
    index = torch.tensor([[0, 2, 2], [1, 0, 2]])
    shared = film(x, words.unsqueeze(1), Shared(rows, index))
    own = film(x, words.unsqueeze(1).expand(2, 3, 5), rows[index])
    torch.testing.assert_close(shared, own)
    gradients = [torch.autograd.grad(out.square().sum(), (rows, words)) for out in (shared, own)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_samples_with_the_same_time_share_its_code():
    code = TimeCode(16)
    time = torch.tensor([[0.1, 0.5, 0.1], [0.5, 0.9, 0.0]])
    shared = code(time)
    assert shared.rows.shape == (4, 16)
    own = torch.nn.Sequential(*code)(sinusoidal_embedding(time, 16))
    torch.testing.assert_close(shared.taken(shared.rows), own)


def test_odd_sizes_are_refused():
    with pytest.raises(ValueError, match="size is 5"):
        sinusoidal_embedding(torch.zeros(1), 5)
