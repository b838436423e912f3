"""Finger tips and openings: off the table, inside the workspace, within the hand."""

from dataclasses import replace

import pytest
import torch

from equigrasp.detection import DetectionConfig
from equigrasp.hand import PANDA
from equigrasp.placement import admissible_width, place_tips


def test_tips_lie_ahead_of_the_query_points():
    points = torch.tensor([[0.15, 0.15, 0.15]])
    approach = torch.tensor([[0.6, 0.0, -0.8]])
    tips, fits, _ = place_tips(points, approach, 0.05, DetectionConfig(advance=0.0), 0.05)
    torch.testing.assert_close(tips, torch.tensor([[0.18, 0.15, 0.11]]))
    assert fits.all()


def test_tips_below_the_table_back_up_along_the_approach_or_drop_out():
    config = DetectionConfig(tip_clearance=0.002, max_retreat=0.01, advance=0.0)
    approach = torch.tensor([[0.6, 0.0, -0.8], [0.6, 0.0, -0.8], [1.0, 0.0, 0.0], [0, 0, -1.0]])
    heights = torch.tensor([0.048, 0.030, 0.048, 0.045])  # of the tips
    points = torch.tensor([[0.15, 0.15, 0.0]]).repeat(4, 1) - 0.05 * approach
    points[:, 2] += heights
    tips, fits, _ = place_tips(points, approach, 0.05, config, 0.05)
    assert fits.tolist() == [True, False, False, True]
    assert tips[0, 2] == pytest.approx(0.052)
    assert tips[3, 2] == pytest.approx(0.052)
    # Moved along the approach only.
    shift = tips[0] - (points[0] + 0.05 * approach[0])
    torch.testing.assert_close(torch.linalg.cross(shift, approach[0]), torch.zeros(3))
    # Without a table nothing is known about the height.
    free, fits, _ = place_tips(points, approach, 0.05, config, None)
    torch.testing.assert_close(free[:, 2], heights)
    assert fits.all()


def test_tips_reach_deeper_as_far_as_the_table_allows():
    config = DetectionConfig(advance=0.02)
    approach = torch.tensor([[0.6, 0.0, -0.8], [0.0, 0.0, -1.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    tips = torch.tensor(
        [[0.1, 0.15, 0.1], [0.1, 0.15, 0.06], [0.1, 0.15, 0.051], [0.1, 0.15, 0.06]]
    )
    placed, fits, _ = place_tips(tips - 0.05 * approach, approach, 0.05, config, 0.05)
    assert fits.all()
    reached = ((placed - tips) * approach).sum(1)
    torch.testing.assert_close(reached, torch.tensor([0.02, 0.007, 0.0, 0.02]), atol=1e-6, rtol=0)
    free, *_ = place_tips(tips - 0.05 * approach, approach, 0.05, config, None)
    torch.testing.assert_close(free, tips + 0.02 * approach)


def test_tips_outside_the_workspace_drop_out():
    points = torch.tensor([[0.27, 0.15, 0.1], [0.15, 0.03, 0.1], [0.15, 0.15, 0.1]])
    approach = torch.tensor([[1.0, 0, 0], [0, -1.0, 0], [1.0, 0, 0]])
    placed = place_tips(points, approach, 0.05, DetectionConfig(), 0.05)
    assert placed.inside.tolist() == [False, False, True]


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("table", [None, -0.05])
def test_every_side_of_the_cube_is_tested_where_the_tips_end(axis, sign, table):
    """Each wall, the floor and the top: 9 mm before it, the advance of 10 mm goes through."""
    approach = torch.zeros(2, 3)
    approach[:, axis] = sign
    tips = torch.full((2, 3), 0.15)
    tips[:, axis] = (0.3 if sign > 0 else 0.0) - sign * torch.tensor([0.009, 0.011])
    placed = place_tips(
        tips - 0.05 * approach, approach, 0.05, DetectionConfig(advance=0.01), table
    )
    assert placed.inside.tolist() == [False, True]


def test_admissible_width():
    widths = torch.tensor([0.005, 0.01, 0.05, 0.07, 0.079])
    for config in (DetectionConfig(), DetectionConfig(width_min=0.01, width_max=0.07)):
        assert admissible_width(widths, config).tolist() == [False, True, True, True, False]
    wide = replace(PANDA, opening=0.1)
    assert admissible_width(widths, DetectionConfig(), wide).tolist() == [False] + 4 * [True]
