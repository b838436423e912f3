"""Test kits for the models and policies here, and for anyone's own.

    from equigrasp.testing import ModelContract, equivariance_error

    print(equivariance_error(model))

    class TestMine(ModelContract):
        config = {"name": "mine"}

Contracts are classes of test methods: a test module derives from them and names what is tested.
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
from equigrasp.testing.model_contract import ModelContract
from equigrasp.testing.policy_contract import PolicyContract
from equigrasp.testing.witness import Testimony, testify

__all__ = [
    "CONTRACT",
    "ModelContract",
    "PolicyContract",
    "Testimony",
    "act_on_channels",
    "act_on_plane",
    "assert_equivariant",
    "equivariance_error",
    "synthetic_batch",
    "synthetic_tsdf",
    "testify",
    "turn_grid",
    "turn_matrix",
    "turn_points",
]
