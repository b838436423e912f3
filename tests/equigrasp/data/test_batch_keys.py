"""The table of batch keys: what fits it, and how a misfit is named."""

import re

import pytest
import torch

from equigrasp.data import batch_keys as keys
from equigrasp.data.batch_keys import SCHEMA, batch_faults
from equigrasp.testing import synthetic_batch

DTYPES = {float: torch.float32, bool: torch.bool}
LENGTHS = {"B": 2, "N": 8, "Q": 3, "P": 5}


def batch(**changes):
    made = {
        key: torch.zeros([LENGTHS.get(n, n) for n in shape], dtype=DTYPES[kind])
        for key, (kind, shape) in SCHEMA.items()
    }
    return {**made, **changes}


def test_what_follows_the_table_fits():
    assert batch_faults(batch()) == []
    assert batch_faults(batch(tsdf=torch.zeros(2, 8, 8, 8, dtype=torch.float64))) == []


def test_made_up_batches_fit():
    assert batch_faults(synthetic_batch(2, 6, 5, 16)) == []


def test_the_constants_are_the_keys():
    names = {name: value for name, value in vars(keys).items() if isinstance(value, str)}
    assert {names[name.upper()] for name in SCHEMA} == set(SCHEMA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tsdf": torch.zeros(2, 8, 8, 7)}, r"'tsdf' has shape \(2, 8, 8, 7\)"),
        ({"points": torch.zeros(1, 3, 3)}, r"'points' has shape \(1, 3, 3\), expected \(2"),
        ({"label": torch.zeros(2, 4)}, r"'label' has shape \(2, 4\), expected \(2, 3\)"),
        ({"mask": torch.ones(2, 3)}, "'mask' has type torch.float32, expected bool"),
        ({"widths": torch.ones(2, 3, 5, dtype=torch.bool)}, "'widths' has type torch.bool"),
        ({"colour": torch.ones(2)}, "'colour' is unknown"),
    ],
)
def test_misfits_are_named(change, message):
    faults = batch_faults(batch(**change))
    assert len(faults) == 1
    assert re.search(message, faults[0])


def test_missing_tensors_are_named():
    short = batch()
    del short["occ"]
    assert batch_faults(short) == ["'occ' is missing"]
