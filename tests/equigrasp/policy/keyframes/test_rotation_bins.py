import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.policy.keyframes.rotation_bins import BINS, bins_to_rotation, rotation_to_bins


@given(st.integers(0, 2**32 - 1))
def test_rotations_come_back_and_whole_bins_are_within_their_width(seed):
    rotation = Rotation.random(20, random_state=seed).as_matrix()
    bins = rotation_to_bins(rotation)
    assert ((bins >= 0) & (bins < BINS)).all()
    for read, most in ((bins, 1.1), (bins.round() % BINS, 8)):  # a degree from a pole is the pole
        back = np.swapaxes(rotation, 1, 2) @ bins_to_rotation(read)
        assert np.degrees(Rotation.from_matrix(back).magnitude()).max() < most
    away = np.abs(bins[:, 1] - BINS / 2) < 17.5
    back = np.swapaxes(rotation, 1, 2)[away] @ bins_to_rotation(bins[away])
    assert np.degrees(Rotation.from_matrix(back).magnitude()).max() < 1e-3


def test_looking_down_is_one_bin_whatever_the_rounding():
    for yaw, shake in itertools.product((0.0, 0.7, -2.0), (-1e-4, -1e-17, 1e-17, 1e-4)):
        turn = Rotation.from_euler("xyz", [np.pi + shake, shake, yaw]).as_matrix()
        bins = rotation_to_bins(turn)
        assert (bins.round() % BINS)[:2].tolist() == [0, BINS // 2]
        assert bins[0] < BINS


@pytest.mark.parametrize("pitch", [90.0, -90.0, 89.5, -89.5])
def test_at_the_pole_nothing_is_lost(pitch):
    rotation = Rotation.from_euler("xyz", [20.0, pitch, -35.0], degrees=True).as_matrix()
    again = bins_to_rotation(rotation_to_bins(rotation))
    angle = Rotation.from_matrix(rotation.T @ again).magnitude()
    assert np.degrees(angle) < 1.1
