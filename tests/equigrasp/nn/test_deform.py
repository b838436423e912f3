import pytest
import torch

from equigrasp.nn.deform import TAPS, DeformableConv, offset_maps, sample_taps
from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.testing import act_on_plane

FIELD = {"C4": FieldType("C4", regular=2), "C2": FieldType("C2", regular=4)}


def deformed(group, mode, dtype=torch.float64):
    torch.manual_seed(1)
    layer = DeformableConv(FIELD[group], FIELD[group], BasisBank(), mode)
    layer.predict.reset_parameters(gain=1.0)  # offsets of about one pixel
    return layer.to(dtype)


@pytest.mark.parametrize("group", ["C4", "C2"])
@pytest.mark.parametrize("mode", ["orbit", "full"])
def test_commutes_with_the_group_at_non_zero_offsets(group, mode):
    layer, field = deformed(group, mode), FIELD[group]
    x = torch.randn(2, field.channels, 8, 8, dtype=torch.float64)
    offsets = torch.einsum("tc,bchw->bthw", layer.offset_map, layer.predict(x))
    assert offsets.std() > 0.3
    for power in (1, 2, 3):
        moved = layer(act_on_plane(x, field, power))
        expected = act_on_plane(layer(x), field, power)
        assert (moved - expected).abs().max() < 1e-11 * expected.abs().max()


def test_free_offsets_do_not_commute():
    field = FIELD["C4"]
    layer = deformed("C4", "full")
    mixer = torch.randn_like(layer.offset_map)
    layer.offset_map = mixer  # any other assignment of predicted numbers to taps
    x = torch.randn(1, field.channels, 8, 8, dtype=torch.float64)
    error = layer(act_on_plane(x, field)) - act_on_plane(layer(x), field)
    assert error.abs().max() > 0.1


@pytest.mark.parametrize("group", ["C4", "C2"])
@pytest.mark.parametrize("mode", ["orbit", "full"])
def test_starts_as_the_ordinary_convolution(group, mode):
    field = FIELD[group]
    layer = DeformableConv(field, field, BasisBank(), mode)
    x = torch.randn(2, field.channels, 10, 10)
    assert torch.allclose(layer(x), layer.conv(x), atol=1e-5)


@pytest.mark.parametrize("group", ["C1", "C2", "C4"])
def test_full_offsets_are_unrestricted(group):
    field, offset, mask = offset_maps(group, "full")
    assert field.channels == 27
    assert torch.linalg.matrix_rank(offset) == 18
    assert torch.linalg.matrix_rank(mask) == 9


@pytest.mark.parametrize("group", ["C2", "C4"])
def test_orbit_offsets_are_a_shift_and_two_scalings(group):
    field, offset, mask = offset_maps(group, "orbit")
    assert mask is None
    assert torch.linalg.matrix_rank(offset) == 4
    assert field.channels in (4, 5)
    by_tap = offset.unflatten(0, (9, 2))
    assert torch.equal(by_tap[:, :, :2], torch.eye(2).expand(9, 2, 2))
    for index, tap in enumerate(TAPS):
        scaling = by_tap[index, :, 2] + by_tap[index, :, 3]
        assert torch.equal(scaling, torch.tensor(tap, dtype=torch.float32))


def bilinear(image, row, col):
    """Interpolated value of a 2-D array, zero outside; written without torch's sampler."""
    total = 0.0
    r0, c0 = int(row // 1), int(col // 1)
    for r in (r0, r0 + 1):
        for c in (c0, c0 + 1):
            if 0 <= r < image.shape[0] and 0 <= c < image.shape[1]:
                total += float(image[r, c]) * (1 - abs(row - r)) * (1 - abs(col - c))
    return total


def test_taps_are_read_at_their_shifted_places():
    torch.manual_seed(0)
    x = torch.randn(1, 1, 5, 4, dtype=torch.float64)
    offsets = torch.randn(1, 18, 5, 4, dtype=torch.float64)
    taps = sample_taps(x, offsets)
    for index, (i, j) in enumerate(TAPS):
        for r in range(5):
            for c in range(4):
                place = (
                    r + i + offsets[0, 2 * index, r, c].item(),
                    c + j + offsets[0, 2 * index + 1, r, c].item(),
                )
                assert taps[0, 0, index, r, c].item() == pytest.approx(
                    bilinear(x[0, 0], *place), abs=1e-12
                )


def test_places_are_as_exact_as_their_offsets():
    """A coordinate of the whole plane, in float32, would be off by some 1e-5 in values of 1."""
    torch.manual_seed(0)
    x, offsets = torch.randn(2, 3, 60, 60), torch.randn(2, 18, 60, 60)
    exact = sample_taps(x.double(), offsets.double())
    assert (sample_taps(x, offsets) - exact).abs().max() < 1e-6


def test_taps_far_outside_are_zero():
    far = torch.tensor([-1e6, -7.5, -7.0, 7.0, 7.5, 1e6]).repeat(3).view(1, 18, 1, 1)
    assert not sample_taps(torch.ones(1, 2, 4, 5), far.expand(1, 18, 4, 5)).any()


def test_gradients_of_the_taps():
    torch.manual_seed(0)
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    offsets = torch.randn(2, 18, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sample_taps, (x, offsets))


def test_offsets_learn_from_their_zero_start():
    field = FIELD["C4"]
    for mode in ("orbit", "full"):
        layer = DeformableConv(field, field, BasisBank(), mode)
        layer(torch.randn(1, field.channels, 8, 8)).square().sum().backward()
        gradients = [p.grad.abs().max() for p in layer.predict.coefficients.values()]
        assert min(gradients) > 0


@pytest.mark.parametrize("group", ["C4", "C2"])
@pytest.mark.parametrize("mode", ["orbit", "full"])
def test_mixed_precision_trains_it_to_the_precision_of_its_numbers(group, mode):
    layer, field = deformed(group, mode, torch.float32), FIELD[group]
    x = torch.randn(2, field.channels, 8, 8)
    wanted = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    assert (found.float() - wanted).abs().mean() < 0.02 * wanted.abs().mean()
    found.float().square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in layer.parameters())


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="deformation mode is 'free'"):
        offset_maps("C4", "free")


def test_the_published_deformation_commutes_and_only_dilates():
    layer, field = deformed("C4", "published"), FIELD["C4"]
    x = torch.randn(2, field.channels, 8, 8, dtype=torch.float64)
    moved = layer(act_on_plane(x, field))
    expected = act_on_plane(layer(x), field)
    assert (moved - expected).abs().max() < 1e-11 * expected.abs().max()
    shrinking = layer.predict(x)[:, 2:] < 0
    assert shrinking.any()
    free = deformed("C4", "published")
    free.rectified = False
    assert (free(x) - layer(x)).abs().max() > 1e-3
    assert layer.predict.target.channels == 5  # the fifth moves nothing
    assert not layer.offset_map[:, 4].any()


def test_the_published_deformation_is_one_of_the_table_plane():
    with pytest.raises(ValueError, match="use deform_side=full"):
        deformed("C2", "published")
