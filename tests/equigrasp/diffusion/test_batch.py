"""One order of repetition, and its inverse."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.diffusion.batch import (
    flatten_samples,
    pick_samples,
    repeat_conditions,
    replicate_conditions,
    sample_mean,
    unflatten_samples,
)


@given(b=st.integers(1, 5), m=st.integers(1, 7))
def test_rows_of_a_condition_stand_together(b, m):
    conditions = torch.arange(b)
    flat = flatten_samples(repeat_conditions(conditions, m))
    assert flat.tolist() == [i for i in range(b) for _ in range(m)]
    samples = torch.rand(b, m, 3)
    torch.testing.assert_close(unflatten_samples(flatten_samples(samples), b), samples)


def test_repetition_copies_nothing():
    x = torch.rand(4, 1000)
    assert repeat_conditions(x, 64).data_ptr() == x.data_ptr()


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="at least one"):
        repeat_conditions(torch.rand(2), 0)
    with pytest.raises(ValueError, match="7 rows"):
        unflatten_samples(torch.rand(7, 2), 3)
    with pytest.raises(ValueError, match="give \\(B, M"):
        flatten_samples(torch.rand(3))


def test_a_level_above_repeats_point_by_point():
    points = torch.rand(2, 3, 5)
    repeated = repeat_conditions(points, 4, levels=2)
    assert repeated.shape == (2, 3, 4, 5)
    expected = repeat_conditions(flatten_samples(points), 4)
    assert torch.equal(flatten_samples(repeated), expected)


def test_replicated_rows_are_copies_in_order():
    x = torch.rand(3, 2)
    expected = torch.stack([row for row in x for _ in range(4)])
    assert torch.equal(replicate_conditions(x, 4), expected)


@given(levels=st.integers(1, 3), rest=st.lists(st.integers(1, 3), max_size=2))
def test_picked_samples_are_those_of_their_condition(levels, rest):
    lead = [2, 3, 1][:levels]
    x, index = torch.rand(*lead, 5, *rest), torch.randint(5, (*lead, 4))
    picked = pick_samples(x, index)
    for place in itertools.product(*[range(size) for size in lead]):
        assert torch.equal(picked[place], x[place][index[place]])


def test_every_condition_counts_alike_and_none_gives_a_zero_with_gradient():
    error = torch.rand(3, 5, dtype=torch.float64)
    torch.testing.assert_close(sample_mean(error), error.mean(1).mean())
    empty = torch.rand(0, 5, requires_grad=True)
    zero = sample_mean(empty)
    zero.backward()
    assert zero == 0
    assert empty.grad is not None
