"""Windows over volumes against scipy's filters, boxes against brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from equigrasp.peaks import smooth
from equigrasp.perception.surface import within_reach
from equigrasp.perception.windows import box_of, grown, window_max

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(*[st.integers(1, 12)] * 3)


@given(seeds, sizes, st.sampled_from([1, 3, 5, 7]))
def test_largest_in_a_cube(seed, size, side):
    values = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    expected = ndimage.maximum_filter(values, side, mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(window_max(torch.tensor(values), side), expected)
    truth = torch.tensor(values > 1)
    expected = ndimage.binary_dilation(values > 1, np.ones((side,) * 3))
    np.testing.assert_array_equal(window_max(truth, side), expected)


@given(seeds, sizes, st.floats(0.0, 0.3), st.sampled_from([1, 2, 3]))
def test_boxes_hold_what_is_true_and_are_no_larger_than_they_must_be(seed, size, share, step):
    mask = np.random.default_rng(seed).random(size) < share
    box = box_of(torch.tensor(mask), step)
    assert mask.sum() == mask[box].sum()
    assert all(side.start % step == side.stop % step == 0 for side in box)
    if mask.any():
        for axis, (side, line) in enumerate(zip(box, np.nonzero(mask), strict=True)):
            assert line.min() - side.start < step, axis
            assert side.stop - line.max() <= step, axis
    else:
        assert mask[box].size == 0
    wider = grown(box, 2, mask.shape)
    for side, other, n in zip(box, wider, mask.shape, strict=True):
        assert other == slice(max(0, side.start - 2), min(n, side.stop + 2))


@given(seeds, st.floats(0.0, 0.01), st.floats(0.3, 9.0))
def test_reach_is_a_euclidean_distance(seed, share, radius):
    mask = np.random.default_rng(seed).random((14, 11, 17)) < share
    expected = np.zeros_like(mask)
    if mask.any():
        squares = np.rint(ndimage.distance_transform_edt(~mask) ** 2)
        expected = squares <= radius**2
    np.testing.assert_array_equal(within_reach(torch.tensor(mask), radius), expected)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.6])
@given(seed=seeds)
def test_averages_are_those_of_what_is_known(sigma, seed):
    rng = np.random.default_rng(seed)
    values, known = rng.random((12, 9, 15)), rng.random((12, 9, 15)) < 0.3
    known[:3] = False
    smear = {"sigma": sigma, "mode": "constant", "radius": int(4 * sigma + 0.5)}
    total = ndimage.gaussian_filter(np.where(known, values, 0.0), **smear)
    weight = ndimage.gaussian_filter(known.astype(float), **smear)
    expected = np.where(known, total / np.maximum(weight, 1e-30), 0.0)
    found = smooth(torch.tensor(values), torch.tensor(known), sigma)
    np.testing.assert_allclose(found, expected, atol=1e-9)
