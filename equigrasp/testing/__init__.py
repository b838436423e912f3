"""Test kits for the models and policies here, and for anyone's own.

from equigrasp.testing import equivariance_error
print(equivariance_error(model))
"""

from equigrasp.testing.batches import synthetic_batch
from equigrasp.testing.equivariance import (
    CONTRACT,
    assert_equivariant,
    equivariance_error,
    synthetic_tsdf,
    turn_grid,
    turn_matrix,
    turn_points,
)
from equigrasp.testing.fields import act_on_channels, act_on_plane

__all__ = [
    "CONTRACT",
    "act_on_channels",
    "act_on_plane",
    "assert_equivariant",
    "equivariance_error",
    "synthetic_batch",
    "synthetic_tsdf",
    "turn_grid",
    "turn_matrix",
    "turn_points",
]
