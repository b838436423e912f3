import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.geometry.rotations import geodesic_distance, random_rotations
from equigrasp.policy.keyframes.rotation_rows import (
    bins_to_six,
    matrix_to_six,
    six_to_bins,
    six_to_matrix,
)


@given(st.integers(0, 2**32 - 1))
def test_six_numbers_are_a_rotation(seed):
    generator = torch.Generator().manual_seed(seed)
    rotation = random_rotations((3, 4), generator, torch.float64)
    six = matrix_to_six(rotation)
    assert six.shape == (3, 4, 6)
    torch.testing.assert_close(six_to_matrix(six), rotation)
    torch.testing.assert_close(six_to_matrix(1.7 * six), rotation)


@given(st.integers(0, 2**32 - 1))
def test_bins_come_back(seed):
    generator = torch.Generator().manual_seed(seed)
    rotation = random_rotations((20,), generator, torch.float64)
    bins = six_to_bins(matrix_to_six(rotation))
    like = torch.zeros(1)
    middle = bins_to_six(bins, like)
    assert middle.dtype == like.dtype
    # a rotation within a degree of the pole is read as one at the pole
    assert geodesic_distance(six_to_matrix(middle.double()), rotation).rad2deg().max() < 1.1
    again = bins_to_six(six_to_bins(middle), like)
    # the bins of a rotation at the pole have other names, but it is the same rotation
    torch.testing.assert_close(again, middle, rtol=0, atol=1e-5)
