"""What depth cameras lose and invent: holes, shadows, flying pixels, steps, in a few milliseconds.

Every effect is drawn afresh per image: whether it comes at all, and how strong. Lengths in pixels
assume the focal length of the published camera, 0.84 times the image's width. The causes are those
of stereo and structured light: surfaces that turn away from the camera or jump return nothing,
what only one of the two eyes sees has no depth, the outermost columns lack a partner, clear and
shiny patches return nothing or little, pixels on an edge mix both depths, and depth is read in
steps of disparity, which grow with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]

CLEAN_SHARE = 0.1
"""Share of images without any of these effects."""
LIMIT = 0.6
"""An effect that would leave more than this share of the readings missing does not come."""
PRESENCE = {
    "slope": 0.7,
    "shadow": 0.5,
    "border": 0.3,
    "patches": 0.6,
    "cloud": 0.2,
    "speckle": 0.5,
}
"""How often each kind of hole comes, where an image is not clean."""
FOCAL = 0.84
"""Focal length over image width."""

SLOPES = (4.0, 14.0)
"""No reading where depth changes faster along the image than on a plane with this tangent of the
angle of incidence: 76 to 86 degrees. A step of 1 cm at 0.6 m counts as 9."""
MARGIN = 0.006
"""Widest rim around them, as a share of the image's width: 4 pixels of 640."""
BASELINES = (0.02, 0.08)
"""Distance between the two eyes, metres."""
BORDER = 0.15
"""Widest missing border, as a share of the image's side."""
PATCHES = (1, 6)
"""Number of clear or shiny patches."""
DIAMETERS = (0.01, 0.06)
"""Their longer diameters, metres; the shorter ones are at least half as long."""
SPREAD = 0.17
"""Standard deviation of their places around the middle of the image, as a share of its side."""
DENSE = 0.6
"""Share of the patches, and of the clouds, that return nothing; the others return something."""
CLOUD_RATIO = 32
"""Clouds of missing readings are smooth over this many pixels ..."""
CLOUD = 0.6
"""... and cover at most this share of the image."""
SPECKLE = 0.15
"""Largest share of single pixels missing."""
FLYING = 0.7
"""Largest share of edge pixels that mix the depths of two neighbours."""
STEPS = (0.0003, 0.006)
"""Step of depth at 1 m, metres; it grows with the square of the depth."""


def camera_effects(clean: Depth, noisy: Depth, seen: Mask, rng: np.random.Generator) -> Depth:
    """Flying pixels, steps and holes on a depth image.

    Args:
        clean: (H, W) metres, before any noise: edges and shadows are found on it.
        noisy: (H, W) metres, what is changed.
        seen: (H, W), where there is a reading.
        rng: source of the draws.

    Returns:
        (H, W) metres; missing readings are 0, pixels that were not `seen` keep their value.
    """
    if rng.random() < CLEAN_SHARE:
        return noisy
    with np.errstate(divide="ignore", invalid="ignore"):  # not every pixel has a reading
        slope = incidence(clean)
        depth = _flying(noisy, slope > SLOPES[0], rng)
        depth = _in_steps(depth, np.exp(rng.uniform(*np.log(STEPS))))
        missing = np.zeros(clean.shape, bool)
        for hole in _holes(clean, slope, rng):
            both = missing | hole
            if np.count_nonzero(both) <= LIMIT * both.size:
                missing = both
    return np.where(seen, np.where(missing, np.float32(0), depth), noisy)


def incidence(depth: Depth) -> Depth:
    """Tangent of the angle between ray and surface, along the rows or columns; large at steps."""
    change = np.zeros_like(depth)
    np.abs(depth[:, 1:] - depth[:, :-1], out=change[:, 1:])
    np.maximum(change[1:], np.abs(depth[1:] - depth[:-1]), out=change[1:])
    return change * np.float32(FOCAL * depth.shape[1]) / depth


def occluded(depth: Depth, baseline: float) -> Mask:
    """Pixels that a second eye, `baseline` metres to the right, does not see; left if negative."""
    # In the mirror image the eye is on the other side, and nearer pixels move to the right there.
    view = depth[:, ::-1] if baseline > 0 else depth
    shift = np.float32(abs(baseline) * FOCAL * depth.shape[1]) / view
    column = np.arange(depth.shape[1], dtype=np.float32) + shift
    # What comes to lie left of a pixel that was further left is behind it.
    hidden = column < np.fmax.accumulate(column, axis=1)
    return hidden[:, ::-1] if baseline > 0 else hidden


def _holes(clean: Depth, slope: Depth, rng: np.random.Generator) -> Iterator[Mask]:
    """Masks of missing pixels, one per effect that comes."""
    makers: dict[str, Callable[[], Mask]] = {
        "slope": lambda: _steep(slope, rng),
        "shadow": lambda: occluded(clean, rng.uniform(*BASELINES) * rng.choice([-1, 1])),
        "border": lambda: _border(clean.shape, rng),
        "patches": lambda: _patches(clean, rng),
        "cloud": lambda: _cloud(clean.shape, rng),
        "speckle": lambda: _random_pixels(clean.shape, rng.uniform(0, SPECKLE), rng),
    }
    for name, make in makers.items():
        if rng.random() < PRESENCE[name]:
            yield make()


def _steep(slope: Depth, rng: np.random.Generator) -> Mask:
    """Steep surface and edges, with a rim."""
    mask = slope > rng.uniform(*SLOPES)
    for _ in range(rng.integers(1 + max(1, round(MARGIN * mask.shape[1])))):
        for axis in (0, 1):
            view = mask.swapaxes(0, axis)
            grown = view.copy()
            grown[1:] |= view[:-1]
            grown[:-1] |= view[1:]
            mask = grown.swapaxes(0, axis)
    return mask


def _border(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """A band along one side of the image."""
    mask = np.zeros(shape, bool)
    axis, far = rng.integers(2, size=2)
    band = mask if axis else mask.T
    width = int(rng.uniform(0, BORDER) * band.shape[1])
    band[:, band.shape[1] - width if far else 0 : None if far else width] = True
    return mask


def _patches(clean: Depth, rng: np.random.Generator) -> Mask:
    """Ellipses near the middle of the image, each of the size that it has at its depth."""
    shape = clean.shape
    mask = np.zeros(shape, bool)
    for _ in range(rng.integers(PATCHES[0], PATCHES[1] + 1)):
        row, column = (
            int(np.clip(side * (0.5 + SPREAD * rng.standard_normal()), 0, side - 1))
            for side in shape
        )
        distance = clean[row, column]
        if not 0 < distance < np.inf:
            continue
        longer = 0.5 * rng.uniform(*DIAMETERS) * FOCAL * shape[1] / distance
        part = tuple(slice(max(0, int(at - longer)), int(at + longer) + 2) for at in (row, column))
        patch = _ellipse(part, (row, column), longer, rng, shape)
        if rng.random() > DENSE:
            patch &= _random_pixels(patch.shape, rng.uniform(0.2, 0.9), rng)
        mask[part] |= patch
    return mask


def _ellipse(
    part: tuple[slice, slice],
    centre: tuple[int, int],
    longer: float,
    rng: np.random.Generator,
    shape: tuple[int, int],
) -> Mask:
    """An ellipse of any direction within a part of an image; `longer` half axis in pixels."""
    v, u = (
        np.arange(s.start, min(s.stop, side)) - at
        for s, side, at in zip(part, shape, centre, strict=True)
    )
    turn, shorter = rng.uniform(0, np.pi), longer * rng.uniform(0.5, 1)
    along = np.add.outer(np.sin(turn) * v, np.cos(turn) * u)
    across = np.add.outer(np.cos(turn) * v, -np.sin(turn) * u)
    return (along / longer) ** 2 + (across / shorter) ** 2 < 1


def _cloud(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Large smooth regions."""
    coarse = tuple(max(2, side // CLOUD_RATIO) for side in shape)
    nodes = rng.standard_normal(coarse, dtype=np.float32)
    level = np.quantile(nodes, 1 - rng.uniform(0, CLOUD))
    fine = F.interpolate(
        torch.from_numpy(nodes)[None, None], size=shape, mode="bilinear", align_corners=False
    )
    mask = fine[0, 0].numpy() > level
    if rng.random() > DENSE:
        mask &= _random_pixels(shape, rng.uniform(0.2, 0.9), rng)
    return mask


def _random_pixels(shape: tuple[int, int], share: float, rng: np.random.Generator) -> Mask:
    """Each pixel with probability `share`, in steps of 1/256."""
    drawn = np.frombuffer(rng.bytes(shape[0] * shape[1]), np.uint8)
    return drawn.reshape(shape) < round(256 * share)


def _flying(depth: Depth, edges: Mask, rng: np.random.Generator) -> Depth:
    """Some of the edge pixels between their own depth and that of a pixel up to 2 away."""
    row, column = np.divmod(np.flatnonzero(edges), depth.shape[1])
    some = rng.random(len(row)) < rng.uniform(0, FLYING)
    row, column = row[some], column[some]
    # An edge lies between its pixel and the one before it: both sides are mixed.
    step = rng.integers(-2, 3, (2, len(row)))
    other = depth[
        (row + step[0]).clip(0, depth.shape[0] - 1), (column + step[1]).clip(0, depth.shape[1] - 1)
    ]
    share = rng.random(len(row), dtype=np.float32)
    out = depth.copy()
    mixed = share * depth[row, column] + (1 - share) * other
    out[row, column] = np.where(np.isfinite(mixed) & (other > 0), mixed, depth[row, column])
    return out


def _in_steps(depth: Depth, step: float) -> Depth:
    """Depth rounded to equal steps of disparity; `step` metres at 1 m."""
    disparity = np.reciprocal(depth * np.float32(step))
    return np.reciprocal(np.rint(disparity, out=disparity) * np.float32(step))
