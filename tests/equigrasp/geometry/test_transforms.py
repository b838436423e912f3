import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import (
    frame_from_approach,
    inverse_transform,
    is_rotation,
    look_at,
    make_transform,
    quaternion_to_transform,
    transform_points,
    yaw_turns,
)

coordinates = st.floats(-2, 2, allow_nan=False)
vectors = hnp.arrays(np.float64, (3,), elements=coordinates)
directions = vectors.filter(lambda v: np.linalg.norm(v) > 0.1)


@st.composite
def transforms(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    return make_transform(Rotation.random(random_state=seed).as_matrix(), draw(vectors))


@given(transforms())
def test_inverse(T):
    np.testing.assert_allclose(inverse_transform(T) @ T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(inverse_transform(T), np.linalg.inv(T), atol=1e-10)


@given(transforms(), transforms(), hnp.arrays(np.float64, (5, 3), elements=coordinates))
def test_composition_is_applying_twice(A, B, points):
    together = transform_points(A @ B, points)
    np.testing.assert_allclose(together, transform_points(A, transform_points(B, points)), 1e-9)


def test_batches_of_transforms():
    T = np.stack([np.eye(4), make_transform(np.eye(3), (1, 2, 3))])
    assert inverse_transform(T).shape == (2, 4, 4)
    moved = transform_points(T, np.zeros((2, 4, 3)))
    np.testing.assert_array_equal(moved[1], np.tile([1, 2, 3], (4, 1)))


@given(transforms())
def test_quaternions_survive_the_round_trip(T):
    back = quaternion_to_transform(Rotation.from_matrix(T[:3, :3]).as_quat(), T[:3, 3])
    np.testing.assert_allclose(back, T, atol=1e-12)


@given(vectors, vectors)
def test_look_at_sees_the_target_in_the_middle_and_up_above(eye, target):
    sight = target - eye
    assume(np.linalg.norm(np.cross(sight, [0, 0, 1])) > 0.05)
    T = look_at(eye, target)
    assert is_rotation(T[:3, :3], 1e-9)
    seen = transform_points(inverse_transform(T), np.stack([target, target + [0, 0, 1e-3]]))
    np.testing.assert_allclose(seen[0], [0, 0, np.linalg.norm(sight)], atol=1e-9)
    assert seen[1, 1] < 0  # y points down in the image
    assert abs(seen[1, 0]) < 1e-9


@pytest.mark.parametrize(("eye", "target"), [((0, 0, 1), (0, 0, 0)), ((1, 2, 3), (1, 2, 3))])
def test_look_at_refuses_views_without_an_up(eye, target):
    with pytest.raises(ValueError, match="up"):
        look_at(eye, target)


@given(directions)
def test_frame_from_approach(approach):
    approach = approach / np.linalg.norm(approach)
    R = frame_from_approach(approach)
    assert is_rotation(R, 1e-9)
    np.testing.assert_allclose(R[:, 2], approach / np.linalg.norm(approach), atol=1e-12)


def test_frame_from_approach_takes_world_x_and_handles_it_as_approach():
    R = frame_from_approach([[0.0, 0, -1], [1, 0, 0], [-1, 0, 0]])
    np.testing.assert_allclose(R[0], np.diag([1.0, -1, -1]), atol=1e-12)
    assert is_rotation(R)


@pytest.mark.parametrize(
    "matrix", [np.diag([1.0, 1, -1]), 2 * np.eye(3), np.full((3, 3), np.nan), np.zeros((3, 3))]
)
def test_is_rotation_refuses_what_is_none(matrix):
    assert not is_rotation(matrix)


@given(st.integers(0, 2**32 - 1))
def test_frames_close_along_the_line_they_are_given(seed):
    frames = Rotation.random(5, random_state=seed).as_matrix()
    R = frame_from_approach(frames[..., 2], frames[..., 1])
    np.testing.assert_allclose(R, frames, atol=1e-12)


@pytest.mark.parametrize("count", [1, 5, 6])
def test_yaws_spread_over_half_a_turn(count):
    expected = Rotation.from_euler("z", 180 / count * np.arange(count)[:, None], degrees=True)
    np.testing.assert_allclose(yaw_turns(count), expected.as_matrix(), atol=1e-12)
