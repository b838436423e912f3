import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.nn.fields import ORDER, FieldType, representation
from equigrasp.testing import act_on_channels, act_on_plane

KINDS = ("regular", "vector", "trivial")

fields = st.builds(
    FieldType,
    st.sampled_from(["C2", "C4"]),
    regular=st.integers(1, 3),
    vector=st.integers(0, 2),
    trivial=st.integers(0, 2),
)


@pytest.mark.parametrize("group", ["C2", "C4"])
@pytest.mark.parametrize("kind", KINDS)
def test_representation_is_orthogonal_and_has_the_order_of_the_group(group, kind):
    matrix = representation(group, kind)
    eye = torch.eye(len(matrix), dtype=torch.float64)
    assert torch.equal(matrix @ matrix.T, eye)
    assert torch.equal(torch.matrix_power(matrix, ORDER[group]), eye)


@given(fields, st.integers(0, 7), st.integers(0, 7))
def test_action_composes_and_returns(field, first, second):
    x = torch.randn(1, field.channels, 4, 4, dtype=torch.float64)
    twice = act_on_plane(act_on_plane(x, field, first), field, second)
    assert torch.allclose(twice, act_on_plane(x, field, first + second), atol=1e-14)
    assert torch.equal(act_on_plane(x, field, ORDER[field.group]), x)


def test_quarter_turn_rolls_channels_and_turns_the_plane():
    field = FieldType("C4", regular=2)
    x = torch.randn(1, 8, 6, 6)
    expected = torch.rot90(x.unflatten(1, (2, 4)).roll(1, 2).flatten(1, 2), 1, (2, 3))
    assert torch.equal(act_on_plane(x, field), expected)
    # the value that was at (x, y) is found at (-y, x)
    n, i, j = 6, 1, 4
    assert torch.equal(act_on_plane(x, field)[0, 1::4, n - 1 - j, i], x[0, 0::4, i, j])


def test_mirror_flips_the_horizontal_axis_and_swaps_channels():
    x = torch.randn(1, 2, 4, 4)
    assert torch.equal(act_on_plane(x, FieldType("C2", regular=1)), x.flip(2).flip(1))
    assert torch.equal(act_on_plane(x[:, :1], FieldType("C2", vector=1)), -x[:, :1].flip(2))


def test_action_reaches_any_channel_axis():
    field = FieldType("C4", regular=1, vector=1, trivial=1)
    x = torch.randn(5, 3, field.channels)
    moved = act_on_channels(x, field, 1, dim=2)
    assert torch.equal(moved[..., 1], x[..., 0])
    assert torch.equal(moved[..., 4], -x[..., 5])
    assert torch.equal(moved[..., 6], x[..., 6])


def test_wrong_types_are_refused():
    with pytest.raises(ValueError, match="known groups"):
        FieldType("D4", regular=1)
    with pytest.raises(ValueError, match="at least one"):
        FieldType("C4")
    with pytest.raises(ValueError, match="3 channels"):
        act_on_plane(torch.zeros(1, 3, 4, 4), FieldType("C4", regular=1))
