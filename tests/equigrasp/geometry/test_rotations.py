import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import roma
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.geometry.rotations import (
    GRIPPER_SYMMETRY,
    geodesic_distance,
    gram_schmidt,
    matrix_to_quaternion,
    polar_rows,
    quaternion_to_matrix,
    random_rotations,
    rotation_exp,
    symmetric_geodesic_distance,
)

numbers = st.floats(-3, 3, allow_nan=False, width=64)
quaternions = hnp.arrays(np.float64, (4,), elements=numbers).filter(
    lambda q: np.linalg.norm(q) > 0.1
)
rows = hnp.arrays(np.float64, (2, 3), elements=numbers)


def tensor(array):
    return torch.from_numpy(np.asarray(array))


@given(quaternions)
def test_quaternions_agree_with_scipy(q):
    expected = Rotation.from_quat(q).as_matrix()
    np.testing.assert_allclose(quaternion_to_matrix(tensor(q)).numpy(), expected, atol=1e-12)


@given(quaternions)
def test_quaternions_survive_the_round_trip_up_to_sign(q):
    q = q / np.linalg.norm(q)
    back = matrix_to_quaternion(quaternion_to_matrix(tensor(q))).numpy()
    assert min(np.abs(back - q).max(), np.abs(back + q).max()) < 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_roma_agrees_in_either_precision(dtype):
    rotation = random_rotations((500,), torch.Generator().manual_seed(1), dtype)
    tolerance = {"rtol": 0, "atol": 20 * torch.finfo(dtype).eps}
    mine, other = matrix_to_quaternion(rotation), roma.rotmat_to_unitquat(rotation)
    same = (mine * other).sum(-1, keepdim=True).sign() * mine
    torch.testing.assert_close(same, other, **tolerance)
    torch.testing.assert_close(
        quaternion_to_matrix(mine), roma.unitquat_to_rotmat(mine), **tolerance
    )
    vector = roma.rotmat_to_rotvec(rotation)
    torch.testing.assert_close(rotation_exp(vector), roma.rotvec_to_rotmat(vector), **tolerance)


def test_quaternions_of_half_turns_are_exact():
    half = torch.diag_embed(torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]]))
    assert torch.equal(matrix_to_quaternion(half), torch.eye(4))


def test_the_exponential_is_smooth_at_nothing():
    vector = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    rotation_exp(vector)[..., 1, 0].sum().backward()
    torch.testing.assert_close(vector.grad, torch.tensor([[0.0, 0, 1]] * 2).double())


@given(quaternions, quaternions)
def test_geodesic_distance_agrees_with_scipy(p, q):
    first, second = Rotation.from_quat(p), Rotation.from_quat(q)
    expected = (first.inv() * second).magnitude()
    assume(expected < 3.14)  # the chord is flat there
    actual = geodesic_distance(tensor(first.as_matrix()), tensor(second.as_matrix()))
    assert abs(float(actual) - expected) < 1e-6


@given(quaternions, quaternions)
def test_symmetric_distance_ignores_the_half_turn_of_the_jaws(p, q):
    first, second = (quaternion_to_matrix(tensor(x)) for x in (p, q))
    flip = GRIPPER_SYMMETRY.double()
    plain = symmetric_geodesic_distance(first, second)
    for a, b in ((first @ flip, second), (first, second @ flip), (second, first)):
        torch.testing.assert_close(symmetric_geodesic_distance(a, b), plain, atol=1e-6, rtol=0)
    assert plain <= geodesic_distance(first, second) + 1e-9


def test_distance_of_equal_rotations_has_a_finite_gradient():
    first = random_rotations((4,)).requires_grad_()
    geodesic_distance(first, first.detach()).sum().backward()
    assert torch.isfinite(first.grad).all()


@given(rows)
def test_polar_rows_is_the_nearest_orthonormal_pair(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    assume(s[1] > 1e-3)
    rotation = polar_rows(tensor(a)).numpy()
    np.testing.assert_allclose(rotation[:2], u @ vt, atol=1e-8)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-8)
    assert abs(np.linalg.det(rotation) - 1) < 1e-8


@given(rows, st.floats(0, 3))
def test_rounding_of_polar_rows_grows_as_the_condition_number_not_as_its_square(a, digits):
    a[1] = a[0] + 10.0**-digits * a[1]
    a = a.astype(np.float32)
    u, s, vt = np.linalg.svd(a.astype(np.float64), full_matrices=False)
    assume(s[1] > 1e-3 * s[0] and s[0] > 0.1)
    rotation = polar_rows(torch.from_numpy(a)).double().numpy()
    bound = 8 * np.finfo(np.float32).eps * s[0] / s[1]
    np.testing.assert_allclose(rotation[:2], u @ vt, atol=bound)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=bound)


@given(rows, st.floats(-4, 4))
def test_polar_rows_commutes_with_turns_about_z(a, angle):
    assume(np.linalg.svd(a)[1][1] > 1e-2)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    turned = polar_rows(tensor(turn[:2, :2] @ a)).numpy()
    np.testing.assert_allclose(turned, turn @ polar_rows(tensor(a)).numpy(), atol=1e-7)


def test_gram_schmidt_on_rows_does_not_commute_with_turns():
    """The published orthonormalisation, as the reason for `polar_rows` (and for this test)."""

    def gram_schmidt(a):
        x = a[0] / np.linalg.norm(a[0])
        y = a[1] - (a[1] @ x) * x
        return np.stack([x, y / np.linalg.norm(y), np.cross(x, y / np.linalg.norm(y))])

    rng = np.random.default_rng(0)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    errors = []
    for a in rng.normal(size=(200, 2, 3)):
        apart = gram_schmidt(turn[:2, :2] @ a).T @ (turn @ gram_schmidt(a))
        errors.append(np.degrees(np.arccos(np.clip((np.trace(apart) - 1) / 2, -1, 1))))
    assert np.mean(errors) > 15


def test_polar_rows_of_degenerate_input_stays_finite_with_gradient():
    a = torch.tensor([[[1.0, 0, 0], [1, 0, 0]], [[0.0, 0, 0], [0, 0, 0]]], requires_grad=True)
    rotation = polar_rows(a)
    rotation.sum().backward()
    assert torch.isfinite(rotation).all()
    assert torch.isfinite(a.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_polar_rows_of_rounding_alone_stay_near_zero(dtype):
    """Where a network says nothing its rows are noise, which must not become a rotation."""
    noise = 1e-3 * torch.finfo(dtype).eps * torch.randn(100, 2, 3, dtype=dtype)
    assert polar_rows(noise).abs().max() < 10 * torch.finfo(dtype).eps ** 0.5


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_random_rotations_are_uniform_and_repeatable(dtype, tolerance):
    def draw():
        return random_rotations((4000,), torch.Generator().manual_seed(3), dtype)

    rotation = draw()
    eye = torch.eye(3, dtype=dtype).expand(4000, 3, 3)
    torch.testing.assert_close(rotation @ rotation.mT, eye, atol=tolerance, rtol=0)
    assert torch.equal(rotation, draw())
    # Haar measure: every entry has mean 0 and variance 1/3.
    assert rotation.mean(0).abs().max() < 0.05
    assert (rotation.square().mean(0) - 1 / 3).abs().max() < 0.03


def test_gram_schmidt_keeps_the_first_row_and_is_qr():
    rows = torch.randn(20, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = gram_schmidt(rows)
    q, r = torch.linalg.qr(rows.mT)
    expected = (q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)).mT
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(polar_rows(found)[..., :2, :], found)  # nothing is left to do
