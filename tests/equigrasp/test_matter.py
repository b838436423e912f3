"""Occupancy on a lattice: the same as asking everywhere, for less, and turned with the scene."""

import pytest
import torch

from equigrasp.matter import asker, hidden_matter, occupancy_lattice
from equigrasp.peaks import query_lattice

DOUBLE = {"dtype": torch.float64}
CENTRE = torch.tensor([0.11, -0.07, -0.2], **DOUBLE)


def blob(points):
    """Smooth occupancy of a ball of 0.17 around a place off the axis."""
    return torch.sigmoid(60 * (0.17 - (points - CENTRE).norm(dim=-1)))


def turned_blob(points):
    """The same after a quarter turn: asked where the point was before it."""
    return blob(torch.stack([points[:, 1], -points[:, 0], points[:, 2]], -1))


def test_the_surface_is_as_if_every_point_were_asked():
    asked = []

    def ask(points):
        asked.append(len(points))
        return blob(points)

    found = occupancy_lattice(ask, 48, **DOUBLE)
    full = blob(query_lattice(48, **DOUBLE).reshape(-1, 3)).reshape(48, 48, 48)
    assert torch.equal(found > 0.5, full > 0.5)
    for axis in range(3):  # where marching cubes interpolates: pairs across the surface
        ends = [full.narrow(axis, i, 47) for i in (0, 1)]
        across = (ends[0] > 0.5) != (ends[1] > 0.5)
        for i, end in enumerate(ends):
            assert torch.allclose(found.narrow(axis, i, 47)[across], end[across], atol=1e-12)
    assert sum(asked) < 0.35 * 48**3


def test_it_turns_with_the_scene():
    plain = occupancy_lattice(blob, 32, **DOUBLE)
    turned = occupancy_lattice(turned_blob, 32, **DOUBLE)
    assert torch.allclose(turned, torch.rot90(plain, 1, (0, 1)), atol=1e-12)
    assert not torch.allclose(turned, plain, atol=1e-2)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_space_without_a_surface_is_asked_coarsely_alone(value):
    asked = []

    def ask(points):
        asked.append(len(points))
        return torch.full_like(points[:, 0], value)

    assert torch.equal(occupancy_lattice(ask, 20), torch.full((20, 20, 20), value))
    assert asked == [1000]


@pytest.mark.parametrize("resolution", [0, 1, 41])
def test_odd_lattices_are_refused(resolution):
    with pytest.raises(ValueError, match=f"resolution is {resolution}; it must be even"):
        occupancy_lattice(blob, resolution)


def test_hidden_matter_is_filled_and_unseen():
    unseen = torch.zeros(30, 30, 30, dtype=torch.bool)
    unseen[15:] = True
    found = hidden_matter(blob, unseen, **DOUBLE)
    full = blob(query_lattice(30, **DOUBLE).reshape(-1, 3)).reshape(30, 30, 30) > 0.5
    assert torch.equal(found, full & unseen)
    assert 0 < found.sum() < full.sum()
    assert not hidden_matter(blob, torch.zeros_like(unseen), **DOUBLE).any()


def test_a_model_without_occupancy_is_named():
    class Blind:
        name, outputs = "blind", ("quality",)

    with pytest.raises(ValueError, match="'blind' predicts no occupancy; use one that does"):
        asker(Blind(), None)
