import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.policy.episodes.image_files import (
    DEPTH_STEPS,
    decode_depth,
    decode_handles,
    encode_depth,
    encode_handles,
    png_bytes,
    read_png,
)

near_planes = st.floats(0.001, 0.5)
ranges = st.floats(0.5, 20.0)


@given(st.integers(0, 2**32 - 1), near_planes, ranges)
def test_every_stored_depth_survives_reading_and_writing(seed, near, span):
    steps = np.random.default_rng(seed).integers(0, DEPTH_STEPS + 1, (8, 8))
    steps[0, :3] = 0, DEPTH_STEPS, DEPTH_STEPS - 1
    image = np.stack([steps >> 16, (steps >> 8) & 255, steps & 255], -1).astype(np.uint8)
    again = encode_depth(decode_depth(image, near, near + span), near, near + span)
    np.testing.assert_array_equal(again, image)


@given(st.floats(0, 1), near_planes, ranges)
def test_depth_is_right_to_half_a_step(share, near, span):
    depth = np.full((2, 2), near + share * span)
    found = decode_depth(encode_depth(depth, near, near + span), near, near + span)
    assert abs(found - depth).max() <= 0.51 * span / DEPTH_STEPS


def test_the_planes_are_black_and_white_and_nothing_wraps_around():
    image = encode_depth([[0.1, 3.0, 0.0, 99.0]], 0.1, 3.0)
    assert image.tolist() == [[[0, 0, 0], [255, 255, 255], [0, 0, 0], [255, 255, 255]]]
    assert encode_depth(np.float32([[3.0]]), np.float32(0.1), 3.0).min() == 255


def test_bytes_are_in_rlbenchs_order():
    assert encode_depth([[0.5]], 0.0, 1.0).tolist() == [[[128, 0, 0]]]
    assert encode_handles([[1 + 256 * 2 + 65536 * 3]]).tolist() == [[[1, 2, 3]]]


@given(st.integers(0, 2**32 - 1))
def test_handles_round_trip_through_a_png(tmp_path_factory, seed):
    handles = np.random.default_rng(seed).integers(0, 2**24, (5, 7))
    path = tmp_path_factory.mktemp("png") / "0.png"
    path.write_bytes(png_bytes(encode_handles(handles)))
    np.testing.assert_array_equal(decode_handles(read_png(path)), handles)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encode_depth([[np.nan]], 0.1, 1.0), "not finite"),
        (lambda: encode_depth([[0.5]], 1.0, 1.0), "near < far"),
        (lambda: encode_handles([[-1]]), "-1"),
        (lambda: encode_handles([[2**24]]), "16777216"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_torn_png_is_named(tmp_path):
    path = tmp_path / "3.png"
    path.write_bytes(png_bytes(np.zeros((9, 9, 3), np.uint8))[:40])
    with pytest.raises(ValueError, match=r"3\.png: torn"):
        read_png(path)
