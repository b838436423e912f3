"""Near points: cloud and fields turn with the scene, and tell where in a voxel a surface is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.models.equigiga import EquiGIGA
from equigrasp.nn import near_points
from equigrasp.nn.near_points import NearPoints
from equigrasp.nn.surface_points import SurfacePoints
from equigrasp.testing import synthetic_tsdf, turn_grid, turn_points
from equigrasp.workspace import Workspace

N = 24
CUBE = Workspace(0.3, 0.05, N)


def in_order(places):
    """Places (P, 3) in an order of their own."""
    rounded = (places.double() * 1e5).round()
    return places[torch.tensor(sorted(range(len(places)), key=lambda i: tuple(rounded[i])))]


@pytest.mark.parametrize("count", [50, 200, 3 * N**3])
@given(turns=st.integers(1, 3), seed=st.integers(0, 2**31 - 1))
def test_a_turned_scene_has_the_turned_cloud(count, turns, seed):
    scene = synthetic_tsdf(N, 1, torch.Generator().manual_seed(seed))
    surface = SurfacePoints(CUBE, count, symmetric=True)
    plain = surface(scene).position[0]
    turned = surface(torch.stack([turn_grid(scene[0], turns)])).position[0]
    plain, turned = (places[places[:, 0] < 1] for places in (plain, turned))
    assert len(plain) > min(count, 100) - 8
    expected = in_order(turn_points(plain, turns))
    torch.testing.assert_close(in_order(turned), expected, atol=1e-5, rtol=0)


@given(turns=st.integers(1, 3), seed=st.integers(0, 2**31 - 1))
def test_fields_of_a_turned_scene_move_on_by_a_turn(turns, seed):
    torch.manual_seed(seed)
    near = NearPoints(CUBE, 3)
    scene = synthetic_tsdf(N, 1, torch.Generator().manual_seed(seed))
    # Lattice points too: as far from one crossing as from another.
    lattice = ((torch.rand(1, 40, 3) * N).floor() + 0.5) / N - 0.5
    points = torch.cat([torch.rand(1, 40, 3) - 0.5, lattice], 1)
    plain = near(points, near.cloud(scene))
    turned = near(turn_points(points, turns), near.cloud(turn_grid(scene[0], turns)[None]))
    expected = plain.unflatten(-1, (3, 4)).roll(turns, -1).flatten(-2)
    torch.testing.assert_close(turned, expected, atol=1e-5, rtol=1e-4)
    assert plain.abs().amax() > 0


def test_it_tells_a_surface_that_moved_by_less_than_a_voxel():
    """A level surface between two layers of voxels: what a nearest voxel shows is the same."""
    torch.manual_seed(0)
    near = NearPoints(CUBE, 4)
    middle = (torch.arange(N) + 0.5) / N
    points = torch.tensor([[[0.01, 0.02, 0.0]]])
    found = []
    for height in (0.51, 0.52):
        tsdf = (0.5 + (middle - height) * N / 8).clamp(0.01, 0.99).expand(1, N, N, N)
        found.append(near(points, near.cloud(tsdf)))
    assert (found[0] - found[1]).abs().max() > 1e-4
    # Where nothing is near all is the same.
    far = near(torch.tensor([[[0.0, 0.0, 0.45], [0.1, 0.2, 0.4]]]), near.cloud(tsdf))[0]
    assert torch.equal(far[0], far[1])


def test_only_so_many_are_looked_at_and_the_last_of_them_weighs_nothing(monkeypatch):
    monkeypatch.setattr(near_points, "COUNT", 2)
    near = NearPoints(CUBE, 2)
    at = torch.zeros(1, 1, 3)
    cloud = torch.tensor([[[0.02, 0.0, 0.0], [0.0, 0.05, 0.0], [0.0, 0.0, 0.06]]])
    moved = cloud.clone()
    moved[0, 1] = torch.tensor([0.0, -0.03, 0.04])  # elsewhere, as far away
    assert torch.equal(near(at, cloud), near(at, moved))
    moved[0, 0, 0] = 0.03
    assert not torch.equal(near(at, cloud), near(at, moved))


def test_volumes_have_none():
    with pytest.raises(ValueError, match="near=2 goes with backbone='planes'"):
        EquiGIGA(resolution=8, fields=2, backbone="volume", near=2)
