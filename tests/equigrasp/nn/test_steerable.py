import pytest
import torch

from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import POINT, BasisBank, compute_basis, symmetrise
from equigrasp.nn.steerable import SteerableConv, SteerableLinear, convolution
from equigrasp.testing import act_on_channels, act_on_plane

MIXED = {
    "C4": FieldType("C4", regular=2, vector=1, trivial=2),
    "C2": FieldType("C2", regular=3, vector=2, trivial=1),
}


def randomised(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("group", ["C4", "C2"])
def test_convolution_commutes_with_the_group(group, kernel_size, dtype):
    field = MIXED[group]
    layer = randomised(SteerableConv(field, field, kernel_size, BasisBank())).to(dtype)
    x = torch.randn(2, field.channels, 8, 8, dtype=dtype)
    for power in (1, 2, 3):
        moved = layer(act_on_plane(x, field, power))
        expected = act_on_plane(layer(x), field, power)
        scale = expected.abs().max()
        assert (moved - expected).abs().max() < scale * (2e-6 if dtype == torch.float32 else 1e-14)


def test_ordinary_convolution_does_not_commute():
    field = MIXED["C4"]
    layer = torch.nn.Conv2d(field.channels, field.channels, 3, padding=1)
    x = torch.randn(1, field.channels, 8, 8)
    error = layer(act_on_plane(x, field)) - act_on_plane(layer(x), field)
    assert error.abs().max() > 0.1


@pytest.mark.parametrize("group", ["C4", "C2"])
def test_linear_map_commutes_with_the_group(group):
    field = MIXED[group]
    layer = randomised(SteerableLinear(field, field, BasisBank())).double()
    x = torch.randn(5, 3, field.channels, dtype=torch.float64)
    moved = layer(act_on_channels(x, field, 1, dim=2))
    assert torch.allclose(moved, act_on_channels(layer(x), field, 1, dim=2), atol=1e-13)


def test_lifting_turns_with_the_volume():
    lift = randomised(
        SteerableConv(
            FieldType("C4", trivial=2), FieldType("C4", regular=3), 3, BasisBank(), ndim=3
        )
    ).double()
    volume = torch.randn(1, 2, 6, 6, 6, dtype=torch.float64)
    moved = lift(torch.rot90(volume, 1, (2, 3)))
    expected = torch.rot90(lift(volume), 1, (2, 3)).unflatten(1, (3, 4)).roll(1, 2).flatten(1, 2)
    assert torch.allclose(moved, expected, atol=1e-13)


@pytest.mark.parametrize(("group", "count"), [("C4", 36), ("C2", 18)])
def test_basis_spans_all_steerable_kernels(group, count):
    basis = compute_basis(group, "regular", "regular", 3, 2).double()
    assert torch.linalg.matrix_rank(basis.flatten(1), rtol=1e-4) == count == len(basis)
    # the average of an arbitrary kernel over the group is steerable, so it lies in the span
    kernel = symmetrise(
        torch.randn(1, *basis.shape[1:], dtype=torch.float64), group, "regular", "regular"
    )
    system = basis.flatten(1).T
    fit = torch.linalg.lstsq(system, kernel.flatten(1).T).solution
    assert torch.allclose(system @ fit, kernel.flatten(1).T, atol=1e-6)


def test_impossible_maps_have_an_empty_basis():
    assert len(compute_basis("C4", "vector", "trivial", POINT, 2)) == 0
    assert len(compute_basis("C4", "vector", "trivial", 1, 2)) == 0


@pytest.mark.parametrize("group", ["C4", "C2"])
def test_same_coefficients_as_escnn(group):
    from escnn import gspaces
    from escnn import nn as enn

    space = gspaces.rot2dOnR2(4) if group == "C4" else gspaces.flip2dOnR2(axis=0.0)
    source = enn.FieldType(space, [space.regular_repr] * 2)
    target = enn.FieldType(space, [space.regular_repr] * 3)
    theirs = enn.R2Conv(source, target, 3, padding=1, bias=False, frequencies_cutoff=4.0)
    ours = SteerableConv(
        FieldType(group, regular=2), FieldType(group, regular=3), 3, BasisBank(), bias=False
    )
    count = ours.coefficients["regular_regular"].shape[-1]
    with torch.no_grad():
        ours.coefficients["regular_regular"].copy_(theirs.weights.view(3, 2, count))
    x = torch.randn(1, source.size, 10, 10)
    expected = theirs(enn.GeometricTensor(x, source)).tensor
    assert torch.allclose(ours(x), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # e2cnn dates from 2023 and warns about everything
@pytest.mark.parametrize("group", ["C4", "C2"])
def test_same_filter_as_e2cnn(group):
    from e2cnn import gspaces
    from e2cnn import nn as e2nn

    if group == "C4":
        space = gspaces.Rot2dOnR2(4)
    else:
        space = gspaces.Flip2dOnR2(axis=0.0)
    field = e2nn.FieldType(space, [space.regular_repr])
    theirs = e2nn.R2Conv(field, field, 3, padding=1, bias=False, frequencies_cutoff=4.0)
    ours = randomised(
        SteerableConv(
            FieldType(group, regular=1), FieldType(group, regular=1), 3, BasisBank(), bias=False
        )
    )
    with torch.no_grad():
        columns = []
        for index in range(theirs.weights.numel()):
            theirs.weights.zero_()
            theirs.weights[index] = 1
            columns.append(theirs.expand_parameters()[0].flatten().clone())
        system = torch.stack(columns, 1)
        # e2cnn's basis has a few redundant elements, hence the pseudo-inverse
        theirs.weights.copy_(torch.linalg.pinv(system, rtol=1e-4) @ ours.filter().flatten())
        x = torch.randn(1, field.size, 10, 10)
        expected = theirs(e2nn.GeometricTensor(x, field)).tensor
        assert torch.allclose(ours(x), expected, atol=1e-4)


@pytest.mark.parametrize("group", ["C1", "C2", "C4"])
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_initialisation_gives_the_requested_variance(group, gain):
    torch.manual_seed(0)
    counts = {"trivial": 64} if group == "C1" else {"regular": 16, "trivial": 8}
    layer = convolution(
        FieldType(group, **counts), FieldType(group, **counts), 3, BasisBank(), gain=gain
    )
    x = torch.randn(
        4, layer(torch.zeros(1, FieldType(group, **counts).channels, 4, 4)).shape[1], 16, 16
    )
    variance = layer(x)[:, :, 1:-1, 1:-1].pow(2).mean().item()
    assert gain / 1.5 < variance < gain * 1.5


def test_plain_layer_gives_the_same_output():
    field = MIXED["C4"]
    conv = randomised(SteerableConv(field, field, 3, BasisBank()))
    linear = randomised(SteerableLinear(field, field, BasisBank()))
    x = torch.randn(2, field.channels, 6, 6)
    assert type(conv.to_plain()) is torch.nn.Conv2d
    assert type(linear.to_plain()) is torch.nn.Linear
    assert torch.allclose(conv.to_plain()(x), conv(x), atol=1e-5)
    assert torch.allclose(linear.to_plain()(x.movedim(1, -1)), linear(x.movedim(1, -1)), atol=1e-5)


def test_bank_prefers_what_it_was_given():
    key = "C4.regular.regular.3.2"
    given = {key: torch.ones(2, 4, 4, 3, 3)}
    bank = BasisBank(given)
    assert torch.equal(bank.get("C4", "regular", "regular", 3), given[key])
    assert set(bank.tensors()) == {key}


def test_types_of_different_groups_do_not_mix():
    with pytest.raises(ValueError, match="different groups"):
        SteerableConv(MIXED["C4"], MIXED["C2"], 3, BasisBank())
