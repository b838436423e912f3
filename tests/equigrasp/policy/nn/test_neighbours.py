"""Blocks of points and who can be near them."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.policy.nn.neighbours import near_blocks


@given(st.integers(1, 90), st.integers(1, 40), st.floats(0.0, 1.0), st.integers(0, 99))
def test_nobody_near_is_missing_and_nobody_far_is_there(count, rows, reach, seed):
    x = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    seen = []
    for own, near in near_blocks(x, reach, rows):
        block = x[own]
        assert len(block) <= rows
        seen.append(block)
        apart = (x - block.unsqueeze(1)).abs()
        within = (apart.amax(-1) <= reach).any(0).nonzero().squeeze(1)
        assert set(within.tolist()) <= set(near.tolist())
        outside = torch.maximum(block.amin(0) - x[near], x[near] - block.amax(0))
        assert (outside <= reach + 1e-12).all()
        assert near.tolist() == sorted(near.tolist())
    assert torch.equal(torch.cat(seen), x)
