import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.policy.keyframes.rotation_bins import BINS, bins_to_rotation, rotation_to_bins


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
