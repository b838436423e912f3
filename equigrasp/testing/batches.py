"""Made-up training batches of grasp models, for tests and benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from equigrasp.data.vocabulary import YAWS_PER_POINT
from equigrasp.geometry.rotations import random_rotations
from equigrasp.hand import PANDA
from equigrasp.testing.equivariance import synthetic_tsdf


def synthetic_batch(
    scenes: int,
    queries: int,
    occupancy_points: int,
    resolution: int,
    opening: float = PANDA.opening,
) -> dict[str, Tensor]:
    """A batch of random labels, half of them successes, always the same.

    Args:
        scenes: B.
        queries: Q, grasp points of a scene.
        occupancy_points: P, points of a scene whose occupancy is asked for.
        resolution: of the TSDFs.
        opening: of the hand, up to which widths go, metres.

    Returns:
        the keys of `equigrasp/data/dataset.py`, stacked.
    """
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    yaws = (scenes, queries, YAWS_PER_POINT)
    success = uniform(*yaws) < 0.3
    success[:, ::2] = False
    success[:, ::2, 0] = True
    return {
        "tsdf": synthetic_tsdf(resolution, scenes, generator),
        "points": uniform(scenes, queries, 3) - 0.5,
        "label": success.any(-1).float(),
        "rotations": random_rotations(yaws, generator, torch.float32),
        "yaw_success": success,
        "widths": opening * uniform(*yaws),
        "mask": torch.ones(scenes, queries, dtype=torch.bool),
        "occ_points": uniform(scenes, occupancy_points, 3) - 0.5,
        "occ": (uniform(scenes, occupancy_points) < 0.2).float(),
    }
