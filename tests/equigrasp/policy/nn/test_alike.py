"""Surroundings in a point's own colour: their definition, turns, and which shapes they tell."""

import math

import numpy as np
import pytest
import torch

from equigrasp.policy.nn.alike import ALIKE, FOLDS, TINT, WINDOW, alike_surroundings


def cloud(count=150, seed=0, batch=2):
    generator = torch.Generator().manual_seed(seed)
    xyz, rgb = torch.rand(2, batch, count, 3, generator=generator, dtype=torch.float64)
    mask = torch.ones(batch, count, dtype=torch.bool)
    mask[-1, count - 40 :] = False
    return 0.2 * xyz, 2 * rgb - 1, mask


def by_definition(xyz, rgb, point):
    """What one point of a cloud (N, 3) sees, in plain numpy."""
    apart = np.square((xyz - xyz[point]) / WINDOW).sum(1)
    tint = np.square((rgb - rgb[point]) / TINT).sum(1)
    weight = np.exp(-0.5 * (apart**4 + tint))
    z = (xyz[:, 0] + 1j * xyz[:, 1]) / WINDOW
    middle = (weight * z).sum() / weight.sum()
    spread = (weight * abs(z - middle) ** 2).sum() / weight.sum()
    folds = [
        min(abs((weight * (z - middle) ** k).sum()) / weight.sum() / spread ** (k / 2), 3.0)
        for k in FOLDS
    ]
    return [math.log1p(weight.sum()) - 4, abs(middle - z[point]), math.sqrt(spread), *folds]


def test_it_is_what_it_says():
    xyz, rgb, mask = cloud()
    found = alike_surroundings(xyz, rgb, mask)
    assert found.shape == (2, 150, ALIKE)
    for row, count in ((0, 150), (1, 110)):
        places, colours = xyz[row, :count].numpy(), rgb[row, :count].numpy()
        for point in range(0, count, 7):
            expected = by_definition(places, colours, point)
            np.testing.assert_allclose(found[row, point], expected, rtol=1e-6, atol=1e-6)
    assert not found[1, 110:].any()


def test_it_stays_when_a_scene_is_turned_about_the_vertical():
    xyz, rgb, mask = cloud(seed=1)
    angle = 0.7
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]],
        dtype=xyz.dtype,
    )
    shift = torch.tensor([0.5, -0.3, 1.0], dtype=xyz.dtype)
    before, after = (alike_surroundings(p, rgb, mask) for p in (xyz, xyz @ turn.T + shift))
    torch.testing.assert_close(before, after, rtol=1e-7, atol=1e-7)


def test_what_is_not_there_and_what_has_another_colour_does_not_count():
    xyz, rgb, mask = cloud(seed=2)
    other = xyz.clone()
    other[1, 110:] = 3.0
    seen = [alike_surroundings(p, rgb, mask)[1, :110] for p in (xyz, other)]
    torch.testing.assert_close(*seen, rtol=1e-8, atol=1e-8)
    twice = torch.cat([xyz, xyz + 0.001], 1)
    foreign = torch.cat([rgb, rgb + 20 * TINT], 1)
    found = alike_surroundings(twice, foreign, torch.cat([mask, mask], 1))[:, :150]
    torch.testing.assert_close(found[0], alike_surroundings(xyz, rgb, mask)[0])
    nothing = alike_surroundings(xyz, rgb, torch.zeros_like(mask))
    assert not nothing.any()


def patch(corners, radius=0.026, turned=0.3, step=0.003):
    """A dark polygon in the middle of a bright board, as points (1, N, 3) with colours."""
    grid = np.arange(-0.1, 0.1, step) + 0.0007
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    angle = np.arctan2(y, x) - turned
    part = 2 * np.pi / corners
    reach = radius * np.cos(part / 2) / np.cos(angle % part - part / 2)
    dark = np.hypot(x, y) < reach
    xyz = torch.tensor(np.stack([x + 0.4, y - 0.2, np.full_like(x, 0.76)], 1))
    rgb = torch.where(torch.tensor(dark)[:, None], -0.6, 0.8).double().expand(-1, 3)
    return xyz[None], rgb[None], torch.ones(1, len(x), dtype=torch.bool)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_polygons_are_told_from_each_other(dtype):
    """The middle of a patch sees the turns by which its polygon repeats itself, at any turn."""
    folds = {}
    for corners in (3, 4, 6, 24):
        for turned in (0.0, 0.4):
            xyz, rgb, mask = patch(corners, turned=turned)
            middle = (xyz[0, :, :2] - torch.tensor([0.4, -0.2])).norm(dim=-1).argmin()
            seen = alike_surroundings(xyz.to(dtype), rgb.to(dtype), mask)[0, middle]
            folds[corners, turned] = dict(zip(FOLDS, seen[3:].tolist(), strict=True))
    for (corners, _), seen in folds.items():
        for fold, length in seen.items():
            exact = polygon_moment(corners, fold)
            assert length == pytest.approx(exact, rel=0.1, abs=0.1), (corners, fold)


def polygon_moment(corners, fold):
    """Length of the moment of a regular polygon, by integration."""
    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    part = 2 * np.pi / corners
    reach = np.cos(part / 2) / np.cos(angle % part - part / 2)
    area, square = (np.mean(reach ** (k + 2)) / (k + 2) for k in (0, 2))
    moment = abs(np.mean(reach ** (fold + 2) * np.exp(1j * fold * angle))) / (fold + 2)
    return moment / area / (square / area) ** (fold / 2)
