import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.perception.noise import NOISE_KINDS, apply_noise, pick_kind, smooth_field

DEPTH = np.full((96, 128), 0.6, np.float32)


def draws(kind, count):
    rng = np.random.default_rng(0)
    return np.stack([apply_noise(DEPTH, kind, rng) for _ in range(count)])


def test_none_returns_a_copy():
    out = apply_noise(DEPTH, "none", np.random.default_rng(0))
    np.testing.assert_array_equal(out, DEPTH)
    assert out is not DEPTH


def test_gaussian_is_independent_five_millimetres():
    noise = draws("gaussian", 5) - 0.6
    assert abs(noise.mean()) < 1e-4
    assert noise.std() == pytest.approx(0.005, rel=0.02)
    neighbours = np.corrcoef(noise[..., :-1].ravel(), noise[..., 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.02


def test_gamma_factor_has_the_published_spread_and_the_field_comes_half_of_the_time():
    noisy = draws("gamma", 1500)
    factors = np.median(noisy, axis=(1, 2)) / 0.6
    # Gamma(1000, 0.001): mean 1, standard deviation sqrt(1000) / 1000
    assert factors.mean() == pytest.approx(1, abs=4 * 0.0316 / 1500**0.5)
    assert factors.std() == pytest.approx(1000**-0.5, rel=0.08)
    with_field = noisy.std(axis=(1, 2)) > 1e-4
    assert abs(with_field.mean() - 0.5) < 4 * 0.5 / 1500**0.5
    still = noisy[~with_field]
    np.testing.assert_allclose(still, np.broadcast_to(still[:, :1, :1], still.shape), rtol=1e-6)


def test_field_is_smooth_over_four_pixels():
    field = smooth_field((480, 640), np.random.default_rng(1))
    assert abs(field.mean()) < 3e-4
    # Bilinear weights average the variance of the nodes: (2/3)^2 of it in the continuum.
    assert 0.55 * 0.005 < field.std() < 0.75 * 0.005

    def correlation(step):
        return np.corrcoef(field[:, :-step].ravel(), field[:, step:].ravel())[0, 1]

    assert correlation(1) > 0.85
    assert abs(correlation(8)) < 0.05


@given(st.sampled_from([*NOISE_KINDS, "dex", "norm"]), st.integers(0, 2**32 - 1))
def test_missing_readings_stay_missing_and_seeds_repeat(kind, seed):
    depth = DEPTH.copy()
    depth[0, :4] = (0, np.nan, np.inf, 1e-4)
    first, again = (apply_noise(depth, kind, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[0, :3], depth[0, :3])
    assert first.dtype == np.float32
    assert np.nanmin(first) >= 0
    np.testing.assert_array_equal(depth[1:], DEPTH[1:])  # the input is not touched


def test_aliases():
    for alias, kind in (("dex", "gamma"), ("norm", "gaussian")):
        first, second = (
            apply_noise(DEPTH, name, np.random.default_rng(5)) for name in (alias, kind)
        )
        np.testing.assert_array_equal(first, second)


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match="salt"):
        apply_noise(DEPTH, "salt", np.random.default_rng(0))


def test_kinds_are_drawn_by_their_shares_and_a_single_one_draws_nothing():
    rng = np.random.default_rng(0)
    drawn = [pick_kind({"none": 0.0, "gamma": 0.25, "camera": 0.75}, rng) for _ in range(2000)]
    assert "none" not in drawn
    assert abs(drawn.count("gamma") / 2000 - 0.25) < 4 * (0.25 * 0.75 / 2000) ** 0.5
    before = rng.bit_generator.state
    assert pick_kind("dex", rng) == "dex"
    assert rng.bit_generator.state == before
