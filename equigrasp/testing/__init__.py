"""Test kits for the models and policies here, and for anyone's own.

from equigrasp.testing import equivariance_error
print(equivariance_error(model))
"""

from equigrasp.testing.equivariance import (
    CONTRACT,
    assert_equivariant,
    equivariance_error,
    synthetic_tsdf,
    turn_grid,
    turn_matrix,
    turn_points,
)

__all__ = [
    "CONTRACT",
    "assert_equivariant",
    "equivariance_error",
    "synthetic_tsdf",
    "turn_grid",
    "turn_matrix",
    "turn_points",
]
