import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.policy.nn.rotary import LONGEST, SHORTEST, frequencies, rotate_by_position


@given(st.integers(0, 2**32 - 1), st.sampled_from([6, 18, 24, 32]))
def test_products_depend_on_relative_positions_alone(seed, channels):
    generator = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, 5, channels, generator=generator, dtype=torch.float64)
    here, there = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    shift = torch.randn(3, generator=generator, dtype=torch.float64)

    def product(a, b):
        return rotate_by_position(q, a) @ rotate_by_position(k, b).T

    torch.testing.assert_close(product(here, there), product(here + shift, there + shift))
    assert (product(here, there) - product(here, there + shift)).abs().max() > 1e-6


def test_lengths_are_kept_and_the_origin_changes_nothing():
    x = torch.randn(2, 7, 32)
    positions = torch.randn(2, 7, 3)
    torch.testing.assert_close(rotate_by_position(x, positions).norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotate_by_position(x, torch.zeros(7, 3)), x)
    torch.testing.assert_close(rotate_by_position(x, positions)[..., 30:], x[..., 30:])


def test_a_centimetre_is_a_visible_turn():
    x = torch.ones(1, 24)
    turned = rotate_by_position(x, torch.tensor([[0.01, 0.0, 0.0]]))
    assert (turned - x).abs().max() > 1
    rates = frequencies(24)
    torch.testing.assert_close(
        2 * math.pi / rates[[0, -1]], torch.tensor([SHORTEST, LONGEST]).double()
    )


def test_heads_must_have_room():
    with pytest.raises(ValueError, match="4 channels"):
        rotate_by_position(torch.ones(1, 4), torch.ones(1, 3))
