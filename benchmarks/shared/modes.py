"""Do sampled rotations cover every way a simple body can be grasped from above?

A ball and an upright square post can be closed upon along several directions, a slat along one. The
query point is the finger root of a grasp from straight above; a sample belongs to a mode if it
approaches within 40 degrees of the vertical and closes near the mode's direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.tsdf import fuse_tsdf

STEEP = float(np.cos(np.deg2rad(40.0)))
QUARTERS, SIXTHS = np.deg2rad([0.0, 90.0]), np.deg2rad(np.arange(0.0, 180.0, 30.0))
BODIES = {
    "ball": (np.full(3, 0.027), False, SIXTHS, 15.0),
    "post": (np.array([0.02, 0.02, 0.035]), True, QUARTERS, 30.0),
    "slat": (np.array([0.015, 0.05, 0.025]), True, QUARTERS[:1], 30.0),
}
"""Half sizes (m), whether a box, closing directions (rad, modulo half a turn), tolerance (deg)."""


@torch.no_grad()
def mode_coverage(model: Any, samples: int = 64) -> dict[str, float]:
    """Per body: share of its modes with at least one sample, and share of samples in any mode."""
    numbers = {}
    for name, (half, box, modes, tolerance) in BODIES.items():
        centre = np.array([0.15, 0.15, model.workspace.table_height + half[2]])
        depth = render_primitives(
            [Primitive(centre, half, 0.0, box)], DEFAULT_INTRINSICS, fixed_view()
        )
        tsdf = fuse_tsdf(
            torch.from_numpy(depth),
            DEFAULT_INTRINSICS,
            fixed_view(),
            workspace=model.workspace,
            encoding=model.encoding,
        )
        root = centre + [0.0, 0.0, model.query_setback]
        point = torch.tensor(root / model.workspace.side - 0.5, dtype=torch.float32).view(1, 1, 3)
        generator = torch.Generator().manual_seed(0)
        noise = model.prior((1, 1, samples), generator)
        seen = model.attend(model.reader(model.encode(tsdf[None])), point)
        sampled = model.sample_rotations(seen, noise, generator)[0, 0].numpy()
        steep = sampled[:, 2, 2] < -STEEP
        closing = np.arctan2(sampled[:, 1, 1], sampled[:, 0, 1])
        gap = np.abs((closing[:, None] - modes + np.pi / 2) % np.pi - np.pi / 2)
        member = steep[:, None] & (gap <= np.deg2rad(tolerance))
        numbers[f"{name}_modes_covered"] = float(member.any(0).mean())
        numbers[f"{name}_draws_in_modes"] = float(member.any(1).mean())
    return numbers
