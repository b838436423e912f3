import pytest
import torch

from equigrasp.nn.blocks import ConvNorm, DoubleConv, FieldNorm, ResidualBlock, TransposedUp, UpConv
from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.testing import act_on_plane

TURN, MIRROR = FieldType("C4", regular=4), FieldType("C2", regular=4)


def exact(layer, field, target=None):
    x = torch.randn(2, field.channels, 8, 8, dtype=torch.float64)
    moved = layer(act_on_plane(x, field))
    return torch.allclose(moved, act_on_plane(layer(x), target or field), atol=1e-11)


@pytest.mark.parametrize("field", [TURN, MIRROR])
@pytest.mark.parametrize("block", [ResidualBlock, DoubleConv])
@pytest.mark.parametrize("deform", ["none", "orbit", "full"])
def test_blocks_commute_with_the_group(block, field, deform):
    assert exact(block(field, field, BasisBank(), deform=deform).double(), field)


@pytest.mark.parametrize("field", [TURN, MIRROR])
def test_up_sampling_commutes_with_the_group(field):
    layer = UpConv(field, field, BasisBank(), "group").double()
    assert layer(torch.zeros(1, field.channels, 4, 4, dtype=torch.float64)).shape[2:] == (8, 8)
    assert exact(layer, field)


def test_transposed_convolution_does_not_commute():
    field = FieldType("C1", trivial=8)
    layer = TransposedUp(field, field).double()
    x = torch.randn(1, 8, 4, 4, dtype=torch.float64)
    assert (layer(x.flip(2)) - layer(x).flip(2)).abs().max() > 0.1


def test_norm_shares_statistics_and_scale_over_orbits():
    norm = FieldNorm(TURN).double()
    with torch.no_grad():
        norm.scale.uniform_(0.5, 2)
        norm.shift.normal_()
    assert exact(norm, TURN)
    x = torch.randn(3, TURN.channels, 8, 8, dtype=torch.float64) * 7 + 3
    plain = norm.to_plain()
    assert type(plain) is torch.nn.GroupNorm
    assert torch.allclose(plain(x), norm(x))
    norm = FieldNorm(TURN).double()
    grouped = norm(x).unflatten(1, (norm.groups, -1)).flatten(2)
    assert torch.allclose(grouped.mean(2), torch.zeros(1, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(
        grouped.var(2, correction=0), torch.ones(1, dtype=torch.float64), atol=1e-4
    )


def test_norm_refuses_vectors():
    with pytest.raises(ValueError, match="regular fields only"):
        FieldNorm(FieldType("C4", regular=2, vector=1))


def test_without_norm_convolutions_have_a_bias():
    assert len(ConvNorm(TURN, TURN, BasisBank(), norm="none")) == 1
    assert ConvNorm(TURN, TURN, BasisBank(), norm="none")[0].bias is not None
    assert ConvNorm(TURN, TURN, BasisBank(), norm="group")[0].bias is None
