"""Rotations as regular fields: how they turn, and that they ignore the jaw's half turn."""

import pytest
import torch

from equigrasp.geometry.rotations import random_rotations
from equigrasp.nn.rotation_fields import ROTATION_FIELD, ROWS_FIELD, rotation_field, rows_field
from equigrasp.testing import act_on_channels, turn_matrix

HALF_TURN = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))


@pytest.fixture
def rotations():
    return random_rotations((7,), torch.Generator().manual_seed(3), torch.float64)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_a_rotation_turns_its_field(rotations, turns):
    turned = turn_matrix(turns) @ rotations
    expected = act_on_channels(rotation_field(rotations), ROTATION_FIELD, turns)
    torch.testing.assert_close(rotation_field(turned), expected, rtol=0, atol=1e-14)
    rows = rows_field(turned[:, :2])
    expected = act_on_channels(rows_field(rotations[:, :2]), ROWS_FIELD, turns)
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-14)


def test_the_half_turn_of_the_jaw_is_not_seen(rotations):
    torch.testing.assert_close(rotation_field(rotations @ HALF_TURN), rotation_field(rotations))
    assert not torch.allclose(
        rows_field((rotations @ HALF_TURN)[:, :2]), rows_field(rotations[:, :2])
    )


def test_different_grasps_have_different_fields(rotations):
    from scipy.spatial.distance import pdist

    assert pdist(rotation_field(rotations).numpy()).min() > 0.1


def test_shapes():
    assert rotation_field(torch.zeros(2, 5, 3, 3)).shape == (2, 5, ROTATION_FIELD.channels)
    assert rows_field(torch.zeros(2, 3)).shape == (ROWS_FIELD.channels,)
