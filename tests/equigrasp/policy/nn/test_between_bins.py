import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.policy.nn.between_bins import bin_loss, read_bins, whole_bins

K = 12
SIDES = pytest.mark.parametrize("between", [False, True])


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@SIDES
def test_of_whole_bins_it_is_the_cross_entropy(between):
    logits, bins = random(5, 3, K), torch.arange(15).reshape(5, 3) % K
    expected = F.cross_entropy(logits.flatten(0, 1), bins.flatten())
    torch.testing.assert_close(bin_loss(logits, bins, between=between), expected)
    torch.testing.assert_close(bin_loss(logits, bins.double(), between=between), expected)


@given(st.floats(0, K), st.integers(0, 99))
def test_between_two_bins_it_is_theirs_in_shares(angle, seed):
    logits, bins = random(1, K, seed=seed), torch.tensor([angle], dtype=torch.float64)
    low, high = math.floor(angle) % K, math.ceil(angle) % K
    shares = torch.zeros(1, K, dtype=torch.float64)
    shares[0, low] += 1 - angle % 1
    shares[0, high] += angle % 1
    torch.testing.assert_close(
        bin_loss(logits, bins, between=True), F.cross_entropy(logits, shares)
    )
    nearest = whole_bins(bins, K)
    torch.testing.assert_close(
        bin_loss(logits, bins, between=False), F.cross_entropy(logits, nearest)
    )


@given(st.floats(0, K, exclude_max=True))
def test_what_is_learned_is_read(angle):
    bins = torch.tensor([angle], dtype=torch.float64)
    logits = torch.zeros(1, K, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = bin_loss(logits, bins, between=True)
        value.backward()
        return value

    optimiser.step(loss)
    read = read_bins(logits.detach(), between=True)
    assert abs((read.item() - angle + K / 2) % K - K / 2) < 1e-2
    whole = read_bins(logits.detach(), between=False).item()
    assert abs((whole - angle + K / 2) % K - K / 2) <= 0.5 + 1e-2


@SIDES
@given(st.integers(0, 9999))
def test_what_is_read_lies_on_the_circle_near_the_likeliest_bin(between, seed):
    for dtype in (torch.float32, torch.float64):
        logits = (30 * random(40, 3, K, seed=seed)).to(dtype)
        read = read_bins(logits, between=between)
        assert read.dtype == dtype
        assert read.shape == (40, 3)
        assert ((read >= 0) & (read < K)).all()
        aside = (read - logits.argmax(-1) + K / 2).remainder(K) - K / 2
        assert aside.abs().max() <= 2


def test_rolled_bins_are_read_rolled():
    logits = random(20, K)
    for shift in range(K):
        read = read_bins(logits.roll(shift, -1), between=True)
        expected = (read_bins(logits, between=True) + shift).remainder(K)
        gap = (read - expected + K / 2).remainder(K) - K / 2
        assert gap.abs().max() < 1e-9
