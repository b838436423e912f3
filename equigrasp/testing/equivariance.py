"""Measure how equivariant a grasp model is; for the models here and for anyone's own.

    from equigrasp.testing import equivariance_error
    print(equivariance_error(model))

A model under test is any object with `encode(tsdf)` and `query(features, points, outputs)` as in
`equigrasp.models.base.GraspModel`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equigrasp.devices import exact_convolutions
from equigrasp.geometry.turns import turn_grid, turn_matrix, turn_points
from equigrasp.models.base import OUTPUTS

CONTRACT = {torch.float32: 1e-4, torch.float64: 1e-9}
"""Largest error of an exact model by precision."""

_SAMPLES = 2  # rotations per point of a model that samples them; the noise turns with the scene


@torch.no_grad()
@exact_convolutions()
def equivariance_error(
    model: Any,
    tsdf: Tensor | None = None,
    points: Tensor | None = None,
    *,
    outputs: tuple[str, ...] | None = None,
    resolution: int | None = None,
    dtype: torch.dtype | None = None,
    num_points: int = 200,
    seed: int = 0,
) -> dict[str, dict[int, float]]:
    """Largest deviation from the symmetry over all points, per output and turn.

    Args:
        model: object with `encode` and `query`.
        tsdf: scenes (B, N, N, N); by default two synthetic ones.
        points: normalised query points (B, Q, 3); by default uniform in the cube.
        outputs: which predictions to compare; by default all that the model has.
        resolution: side of the synthetic scenes; by default the model's `resolution`.
        dtype: by default that of the model's parameters, or float32.
        num_points, seed: for the default points and scenes.

    Returns:
        {output: {1: error, 2: error, 3: error}}: for the turn g by 90, 180, 270 degrees the maximum
        of |f(gV, gp) - g f(V, p)|; quality and occupancy in probability, width in metres, rotation
        as the largest matrix entry.
    """
    generator = torch.Generator().manual_seed(seed)
    outputs = outputs or getattr(model, "outputs", OUTPUTS)
    reference = next(iter(model.parameters()), None) if hasattr(model, "parameters") else None
    dtype = dtype or (torch.float32 if reference is None else reference.dtype)
    device = "cpu" if reference is None else reference.device
    if tsdf is None:
        tsdf = synthetic_tsdf(resolution or model.resolution, 2, generator)
    if points is None:
        points = (
            torch.rand(len(tsdf), num_points, 3, generator=generator, dtype=torch.float64) - 0.5
        )
    tsdf, points = tsdf.to(device, dtype), points.to(device, dtype)
    noise, start = None, {}
    if getattr(model, "samples_rotations", False):
        noise = model.prior((*points.shape[:2], _SAMPLES), generator).to(device, dtype)
        start = {"noise": noise}
    base = model.query(model.encode(tsdf), points, outputs, **start)
    errors: dict[str, dict[int, float]] = {output: {} for output in outputs}
    for turns in (1, 2, 3):
        turn = turn_matrix(turns, dtype).to(device)
        if noise is not None:
            start = {"noise": model.turn_noise(noise, turns)}
        turned = model.query(
            model.encode(turn_grid(tsdf, turns)), turn_points(points, turns), outputs, **start
        )
        for output in outputs:
            expected = getattr(base, output)
            if output == "rotation":
                expected = turn @ expected
            errors[output][turns] = float((getattr(turned, output) - expected).abs().max())
    return errors


def assert_equivariant(
    model: Any, tolerance: float | None = None, **options: Any
) -> dict[str, dict[int, float]]:
    """Raise AssertionError where `equivariance_error` exceeds `tolerance`; return the errors.

    The default tolerance is `CONTRACT` for the model's precision.
    """
    errors = equivariance_error(model, **options)
    if tolerance is None:
        tolerance = CONTRACT[options.get("dtype") or next(iter(model.parameters())).dtype]
    worst = max(error for by_turn in errors.values() for error in by_turn.values())
    if not worst <= tolerance:
        raise AssertionError(f"equivariance error {worst:.2e} exceeds {tolerance:.0e}: {errors}")
    return errors


def synthetic_tsdf(
    resolution: int, batch: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """Made-up scenes (B, N, N, N) in the "full" encoding: balls and boxes on a table, one view.

    Free space is 1, unobserved 0, the band of four voxels around the surface in between. They have
    no symmetry, which is what equivariance tests need; they are not rendered from a camera.

    Args:
        resolution: N.
        batch: B.
        generator: source of places and sizes; None stands for one seeded with 0.
    """
    generator = generator or torch.Generator().manual_seed(0)
    centres = (torch.arange(resolution, dtype=torch.float64) + 0.5) / resolution
    grid = torch.stack(torch.meshgrid(centres, centres, centres, indexing="ij"), -1)
    scenes = []
    for _ in range(batch):
        distance = grid[..., 2] - 1 / 6
        for index in range(5):
            middle = 0.2 + 0.6 * torch.rand(3, generator=generator, dtype=torch.float64)
            middle[2] = 0.17 + 0.25 * torch.rand(1, generator=generator, dtype=torch.float64).item()
            size = 0.05 + 0.1 * torch.rand(3, generator=generator, dtype=torch.float64)
            offset = grid - middle
            ball = offset.norm(dim=-1) - size[0]
            box = (offset.abs() - size).amax(-1)
            distance = torch.minimum(distance, box if index % 2 else ball)
        value = (distance * resolution / 4).clamp(-1, 1) * 0.5 + 0.5
        hidden = torch.cummin(distance + 0.1, dim=1).values < 0.06  # shadow of a camera at low y
        scenes.append(torch.where(hidden & (value > 0.99), torch.zeros_like(value), value))
    return torch.stack(scenes).float()
