"""Query lattices finer than the network's volume ("HR") turn with the scene."""

import pytest
import torch

from equigrasp.detection import DetectionConfig
from equigrasp.peaks import (
    lattice_limits,
    lattice_quality,
    query_lattice,
    select_peaks,
    smooth,
)
from equigrasp.perception.surface import surface_band
from equigrasp.testing import synthetic_tsdf, turn_grid, turn_points
from equigrasp.workspace import Workspace

_PLACES = torch.tensor([[0.11, -0.19, 0.07], [-0.23, 0.12, -0.1], [0.2, 0.21, 0.1]]).double()
_HEIGHTS = torch.tensor([0.9, 0.6, 0.4]).double()


def quality_at(points):
    """A smooth field without symmetry, highest at three places off the lattice."""
    distance = (points.unsqueeze(1) - _PLACES).norm(dim=-1)
    return (_HEIGHTS * torch.exp(-((distance / 0.08) ** 2))).amax(1)


def find_peaks(tsdf, turns):
    """Places and scores of the peaks of a scene and field turned by so many quarter turns."""
    n = len(tsdf)
    lattice = Workspace(resolution=n)
    config = DetectionConfig(lattice=n, quality_threshold=0.1)
    band = surface_band(turn_grid(tsdf, turns), 0.1) & lattice_limits(lattice, config.border, 0.02)
    quality, fine, _ = lattice_quality(
        lambda points: quality_at(turn_points(points, -turns)), band, config, dtype=torch.float64
    )
    spread, window = config.windows(lattice)
    shown = torch.where(fine, smooth(quality, band, spread), 0.0)
    found, scores = select_peaks(shown, config.quality_threshold, window)
    return query_lattice(n, dtype=torch.float64)[tuple(found.T)], scores


@pytest.mark.parametrize(("n", "turns"), [(60, 1), (60, 2), (60, 3), (80, 1)])
def test_peaks_turn_with_the_scene(n, turns):
    tsdf = synthetic_tsdf(n, 1)[0].double()
    still, scores = find_peaks(tsdf, 0)
    moved, again = find_peaks(tsdf, turns)
    assert len(still) >= 2
    torch.testing.assert_close(again, scores, rtol=0, atol=1e-12)
    torch.testing.assert_close(moved, turn_points(still, turns), rtol=0, atol=1e-12)
