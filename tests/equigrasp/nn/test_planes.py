import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.nn.fields import FieldType
from equigrasp.nn.planes import align_sides, mirror_to_turn, project, sample_plane
from equigrasp.testing import act_on_plane

FIELDS = 3
C4, C2 = FieldType("C4", regular=FIELDS), FieldType("C2", regular=2 * FIELDS)


def lifted(seed=0, n=8):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4 * FIELDS, n, n, n, generator=generator, dtype=torch.float64)


def sides(volume):
    means = project(volume)
    return align_sides(means.over_x, means.over_y, FIELDS)


def turn(volume):
    rolled = volume.unflatten(1, (FIELDS, 4)).roll(1, 2).flatten(1, 2)
    return torch.rot90(rolled, 1, (2, 3))


def test_table_plane_turns_with_the_volume():
    volume = lifted()
    moved, still = project(turn(volume)).over_z, project(volume).over_z
    assert torch.allclose(moved, act_on_plane(still, C4), atol=1e-14)


def test_raw_side_planes_swap_with_one_mirrored():
    volume = lifted()
    scalar = volume[:, :1]
    turned = torch.rot90(scalar, 1, (2, 3))
    assert torch.allclose(turned.mean(3), scalar.mean(2).flip(2), atol=1e-14)
    assert torch.allclose(turned.mean(2), scalar.mean(3), atol=1e-14)


def test_aligned_side_planes_go_to_mirrored_b_and_a():
    volume = lifted()
    a, b = sides(volume)
    a_turned, b_turned = sides(turn(volume))
    assert torch.allclose(a_turned, act_on_plane(b, C2), atol=1e-14)
    assert torch.allclose(b_turned, a, atol=1e-14)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_values_of_both_sides_at_a_point_form_a_regular_field(seed):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(2, 7, 3, generator=generator, dtype=torch.float64) - 0.5
    turned_points = torch.stack([-points[..., 1], points[..., 0], points[..., 2]], -1)

    def at(volume, p):
        a, b = sides(volume)
        values = [sample_plane(plane, p[..., k], p[..., 2]) for k, plane in enumerate((a, b))]
        return mirror_to_turn(*values, dim=2).unflatten(2, (-1, 4))

    volume = lifted(seed)
    assert torch.allclose(
        at(turn(volume), turned_points), at(volume, points).roll(1, 3), atol=1e-12
    )


def test_query_hits_voxel_centres():
    n = 10
    plane = torch.randn(1, 2, n, n, dtype=torch.float64)
    centres = (torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5
    first, second = torch.meshgrid(centres, centres, indexing="ij")
    values = sample_plane(plane, first.reshape(1, -1), second.reshape(1, -1))
    assert torch.allclose(values.transpose(1, 2).reshape(plane.shape), plane, atol=1e-12)


def test_query_is_linear_between_and_constant_beyond_the_outer_centres():
    n = 10
    centres = (torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5
    ramp = (2 * centres).view(1, 1, n, 1).expand(1, 1, n, n)
    at = torch.tensor([[-0.5, -0.31, 0.0, 0.123, 0.45, 0.5]], dtype=torch.float64)
    expected = (2 * at).clamp(-0.9, 0.9)
    assert torch.allclose(sample_plane(ramp, at, torch.zeros_like(at))[..., 0], expected)


@pytest.mark.parametrize("axis", [0, 1])
def test_gradient_reaches_the_plane(axis):
    plane = torch.zeros(1, 1, 4, 4, requires_grad=True)
    at = torch.full((1, 1), 0.2)
    pair = (at, torch.zeros_like(at)) if axis == 0 else (torch.zeros_like(at), at)
    sample_plane(plane, *pair).sum().backward()
    assert plane.grad.sum() == pytest.approx(1.0, abs=1e-6)
