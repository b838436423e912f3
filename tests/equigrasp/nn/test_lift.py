"""The lift is a steerable convolution, rectified and projected, that rounds alike in every turn."""

import pytest
import torch
import torch.nn.functional as F

from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.lift import Lift
from equigrasp.nn.planes import Means, project
from equigrasp.nn.steerable import SteerableConv
from equigrasp.testing import synthetic_tsdf

FIELDS = 3
LIFTED = FieldType("C4", regular=FIELDS)


def made(seed=0):
    torch.manual_seed(seed)
    lift = Lift(2, FIELDS, BasisBank())
    torch.nn.init.normal_(lift.bias, std=0.3)
    return lift


def convolution_of(lift):
    """The ordinary steerable convolution with the same coefficients."""
    whole = SteerableConv(FieldType("C4", trivial=2), LIFTED, 3, BasisBank(), ndim=3)
    whole.load_state_dict(lift.state_dict())
    return whole.to(next(lift.parameters()).dtype)


def seen(resolution=12, batch=2):
    scene = synthetic_tsdf(resolution, batch)
    return torch.stack([2 * scene - 1, 4 * scene * (1 - scene)], 1)


def test_it_is_the_steerable_convolution_rectified_and_projected():
    lift = made().double()
    whole = convolution_of(lift)
    x = torch.randn(2, 2, 8, 8, 8, dtype=torch.float64)
    for found, expected in zip(lift(x), project(F.relu(whole(x))), strict=True):
        assert torch.allclose(found, expected, atol=1e-13)


def turned_back(means):
    """What a scene's means are, from those of the scene turned by a quarter."""
    over_x, over_y, over_z = (m.unflatten(1, (FIELDS, 4)).roll(-1, 2).flatten(1, 2) for m in means)
    return Means(over_y.flip(2), over_x, torch.rot90(over_z, -1, (2, 3)))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("resolution", [12, 60])
def test_a_turned_scene_is_rounded_as_the_scene_is(frozen, resolution):
    """Bit for bit here; a convolution with turned kernels is off by 1e-7 to 1e-6."""
    lift = made().to_plain() if frozen else made()
    whole, x = convolution_of(made()), seen(resolution)
    turned = torch.rot90(x, 1, (2, 3))
    with torch.no_grad():
        pairs = zip(lift(x), turned_back(lift(turned)), strict=True)
        gap = sum(float((one - other).abs().mean()) for one, other in pairs)
        ordinary = [project(F.relu(whole(scene))) for scene in (x, turned)]
        pairs = zip(ordinary[0], turned_back(ordinary[1]), strict=True)
        usual = sum(float((one - other).abs().mean()) for one, other in pairs)
    assert usual > 0
    assert gap < usual / 20


def test_frozen_it_gives_the_same_and_learns_nothing_of_the_basis():
    lift, x = made(), seen()
    plain = lift.to_plain()
    assert set(plain.state_dict()) == {"weight", "bias"}
    for found, expected in zip(plain(x), lift(x), strict=True):
        assert torch.equal(found, expected)


def test_gradients_are_those_of_the_convolution():
    lift = made().double()
    whole = convolution_of(lift)
    x = torch.randn(1, 2, 6, 6, 6, dtype=torch.float64)
    sum(mean.square().sum() for mean in lift(x)).backward()
    sum(mean.square().sum() for mean in project(F.relu(whole(x)))).backward()
    for (name, mine), (_, theirs) in zip(
        lift.named_parameters(), whole.named_parameters(), strict=True
    ):
        assert torch.allclose(mine.grad, theirs.grad, atol=1e-12), name
