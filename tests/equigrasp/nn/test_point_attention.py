"""Deformable reads around points and around hands commute with quarter turns."""

import pytest
import torch

from equigrasp.geometry.rotations import random_rotations
from equigrasp.hand import PANDA
from equigrasp.nn.fields import FieldType
from equigrasp.nn.hand_points import HandPoints, hand_grid
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.point_attention import PointAttention
from equigrasp.registry import build_model
from equigrasp.testing import act_on_channels, synthetic_tsdf, turn_grid, turn_matrix, turn_points

TARGET = FieldType("C4", regular=8)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return build_model("equigiga", resolution=24, fields=4).double().encoder


@pytest.fixture(scope="module")
def scene():
    generator = torch.Generator().manual_seed(1)
    tsdf = synthetic_tsdf(24, 2, generator).double()
    points = torch.rand(2, 6, 3, generator=generator, dtype=torch.float64) - 0.5
    rotations = random_rotations((2, 6, 3), generator, torch.float64)
    return tsdf, points, rotations


def reader(encoder, tsdf):
    planes = encoder(tsdf)
    return lambda points: encoder.at(planes, points)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_attention_turns_with_the_scene(encoder, scene, turns):
    tsdf, points, _ = scene
    torch.manual_seed(2)
    layer = PointAttention(encoder.point_field, TARGET, BasisBank(), heads=2).double()
    with torch.no_grad():
        still = layer(reader(encoder, tsdf), points)
        moved = layer(reader(encoder, turn_grid(tsdf, turns)), turn_points(points, turns))
    expected = act_on_channels(still, TARGET, turns, dim=2)
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_hand_points_turn_with_the_scene_and_ignore_the_half_turn(encoder, scene, turns):
    tsdf, points, rotations = scene
    torch.manual_seed(2)
    layer = HandPoints(encoder.point_field, 8, BasisBank(), hand_grid(PANDA, 0.3, 0.05)).double()
    with torch.no_grad():
        for parameter in layer.parameters():  # shifts far from zero
            parameter.add_(0.05 * torch.randn_like(parameter))
        still = layer(reader(encoder, tsdf), points, rotations)
        turn = turn_matrix(turns)
        moved = layer(
            reader(encoder, turn_grid(tsdf, turns)), turn_points(points, turns), turn @ rotations
        )
        half = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))
        swapped = layer(reader(encoder, tsdf), points, rotations @ half)
    torch.testing.assert_close(
        moved, act_on_channels(still, TARGET, turns, dim=3), rtol=0, atol=1e-9
    )
    torch.testing.assert_close(swapped, still, rtol=0, atol=1e-12)


def test_offsets_decide_what_is_read(encoder, scene):
    """The symmetry is not bought by ignoring the surroundings."""
    tsdf, points, _ = scene
    torch.manual_seed(2)
    layer = PointAttention(encoder.point_field, TARGET, BasisBank(), heads=2).double()
    seen = []
    read = reader(encoder, tsdf)

    def watched(where):
        seen.append(where)
        return read(where)

    layer(watched, points)
    far = (seen[1].unflatten(1, (6, -1)) - points.unsqueeze(2)).norm(dim=-1)
    assert far.shape == (2, 6, layer.samples)
    assert far.std() > 0.01
    assert far.max() < 1.0


def test_heads_must_divide_the_fields(encoder):
    with pytest.raises(ValueError, match="heads"):
        PointAttention(encoder.point_field, FieldType("C4", regular=6), BasisBank(), heads=4)
