"""One order of repetition, and its inverse."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.diffusion.batch import (
    flatten_samples,
    repeat_conditions,
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
