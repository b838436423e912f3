"""Bases of steerable kernels: the two sources span the same, and neither leaves anything out."""

import itertools

import pytest
import torch

from equigrasp.nn import kernel_basis
from equigrasp.nn.kernel_basis import POINT, BasisBank, compute_basis, signed, symmetrise

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


@pytest.mark.parametrize("case", [VOLUMES[0], VOLUMES[3]], ids=str)
def test_kernels_are_the_same_whatever_signs_escnn_draws(case, monkeypatch):
    basis, draws = compute_basis(*case), kernel_basis._escnn_kernels

    def drawn_anew(*arguments):
        found = draws(*arguments)
        signs = 2.0 * torch.randint(2, (len(found),)) - 1
        dust = 1e-8 * torch.randn(found.shape)
        dusty = torch.where(found.abs() < 1e-6, dust, found)
        return signs.reshape(-1, *(1,) * (found.dim() - 1)) * dusty

    monkeypatch.setattr(kernel_basis, "_escnn_kernels", drawn_anew)
    for _ in range(3):
        assert torch.equal(compute_basis.__wrapped__(*case), basis)


def test_signs_follow_the_first_of_the_largest_entries():
    kernels = torch.tensor([[0.1, -0.9, 0.90001], [-1e-8, 0.2, -0.1]], dtype=torch.float64)
    wanted = torch.tensor([[-0.1, 0.9, -0.90001], [0.0, 0.2, -0.1]], dtype=torch.float64)
    assert torch.equal(signed(kernels), wanted)
    assert not signed(kernels)[1, 0].signbit()
    assert signed(torch.zeros(0, 2, 2)).shape == (0, 2, 2)


def test_a_view_of_a_bank_shares_what_it_knows():
    lift, bank = ("C4", "trivial", "regular", 3, 3), BasisBank()
    assert len(bank.of_kernels("orbits").get(*lift)) == 27
    assert len(bank.get(*lift)) == 25
    assert len(bank.tensors()) == 2
    with pytest.raises(ValueError, match="'numpy'; use one of all, escnn, orbits"):
        bank.of_kernels("numpy")
