"""Bases of steerable kernels: the two sources span the same, and neither leaves anything out."""

import itertools

import pytest
import torch

from equigrasp.nn.kernel_basis import POINT, BasisBank, compute_basis, symmetrise

KINDS = {"C4": ("regular", "vector", "trivial"), "C2": ("regular", "trivial")}
FLAT = [
    (group, *kinds, size, 2)
    for group in KINDS
    for kinds in itertools.product(KINDS[group], repeat=2)
    for size in (POINT, 1, 3)
]
VOLUMES = [("C4", kind, other, 3, 3) for kind in ("regular", "trivial") for other in KINDS["C4"]]


def rows(basis):
    return basis.double().flatten(1)


def rank(basis):
    return int(torch.linalg.matrix_rank(rows(basis), rtol=1e-4)) if len(basis) else 0


@pytest.mark.parametrize("case", FLAT + VOLUMES, ids=str)
def test_orbit_sums_are_an_orthonormal_basis_of_all_steerable_kernels(case):
    group, kind_in, kind_out, *_ = case
    basis = compute_basis(*case, "orbits")
    torch.testing.assert_close(
        rows(basis) @ rows(basis).T, torch.eye(len(basis)).double(), atol=1e-6, rtol=0
    )
    moved = symmetrise(basis.double(), group, kind_in, kind_out)
    torch.testing.assert_close(moved, basis.double(), atol=1e-7, rtol=0)
    # The average of any kernel over the group is steerable; the basis has to reach it.
    kernel = torch.randn(3, *basis.shape[1:], dtype=torch.float64)
    wanted = rows(symmetrise(kernel, group, kind_in, kind_out))
    torch.testing.assert_close(wanted @ rows(basis).T @ rows(basis), wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("case", FLAT, ids=str)
def test_escnn_spans_the_same_in_the_plane(case):
    theirs, ours = compute_basis(*case, "all"), compute_basis(*case, "orbits")
    assert rank(theirs) == rank(ours) == len(ours)
    if len(ours):
        reached = rows(theirs) @ rows(ours).T @ rows(ours)
        torch.testing.assert_close(reached, rows(theirs), atol=1e-6, rtol=0)


def test_escnn_leaves_out_kernels_of_the_volume():
    lift = ("C4", "trivial", "regular", 3, 3)
    theirs = compute_basis(*lift, "all")
    assert (len(theirs), rank(theirs)) == (25, 23)
    assert len(compute_basis(*lift, "orbits")) == 27


def test_a_view_of_a_bank_shares_what_it_knows():
    lift, bank = ("C4", "trivial", "regular", 3, 3), BasisBank()
    assert len(bank.of_kernels("orbits").get(*lift)) == 27
    assert len(bank.get(*lift)) == 25
    assert len(bank.tensors()) == 2
    with pytest.raises(ValueError, match="'numpy'; use one of all, escnn, orbits"):
        bank.of_kernels("numpy")
