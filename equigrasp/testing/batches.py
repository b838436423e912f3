"""Made-up training batches of grasp models, for tests and benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from equigrasp.data import batch_keys as keys
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
        tensors by `equigrasp.data.batch_keys`.
    """
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    yaws = (scenes, queries, YAWS_PER_POINT)
    success = uniform(*yaws) < 0.3
    success[:, ::2] = False
    success[:, ::2, 0] = True
    return {
        keys.TSDF: synthetic_tsdf(resolution, scenes, generator),
        keys.POINTS: uniform(scenes, queries, 3) - 0.5,
        keys.LABEL: success.any(-1).float(),
        keys.ROTATIONS: random_rotations(yaws, generator, torch.float32),
        keys.YAW_SUCCESS: success,
        keys.YAW_MARGIN: success.float(),
        keys.WIDTHS: opening * uniform(*yaws),
        keys.MASK: torch.ones(scenes, queries, dtype=torch.bool),
        keys.OCC_POINTS: uniform(scenes, occupancy_points, 3) - 0.5,
        keys.OCC: (uniform(scenes, occupancy_points) < 0.2).float(),
    }
