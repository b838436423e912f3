import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from equigrasp.detection import DetectionConfig
from equigrasp.peaks import (
    lattice_limits,
    lattice_quality,
    promising,
    query_lattice,
    select_peaks,
    smooth,
)
from equigrasp.perception.tsdf import voxel_axis
from equigrasp.testing import turn_grid, turn_points
from equigrasp.workspace import Workspace

seeds = st.integers(0, 2**32 - 1)
sizes = st.sampled_from([8, 12, 20])


def noise_field(seed, n):
    return torch.rand(n, n, n, generator=torch.Generator().manual_seed(seed))


def blobs(points):
    """Smooth quality with a good, a fair and a poor place, all off the lattice."""
    middles = torch.tensor([[0.11, -0.19, 0.07], [-0.23, 0.12, -0.1], [0.2, 0.21, 0.2]])
    heights = torch.tensor([0.9, 0.6, 0.3])
    distance = (points.unsqueeze(1) - middles).norm(dim=-1)
    return (heights * torch.exp(-((distance / 0.08) ** 2))).amax(1)


def test_coarse_to_fine_finds_the_same_peaks_with_fewer_questions():
    band = torch.rand(40, 40, 40, generator=torch.Generator().manual_seed(0)) < 0.9
    found = {}
    for coarse in (False, True):
        config = DetectionConfig(coarse_to_fine=coarse)
        quality, fine, asked = lattice_quality(blobs, band, config, dtype=torch.float32)
        shown = torch.where(fine, quality, 0.0)
        peaks, scores = select_peaks(shown, config.quality_threshold, config.nms_window)
        found[coarse] = (peaks.tolist(), scores, asked)
    assert found[True][0] == found[False][0]
    assert len(found[True][0]) == 2
    torch.testing.assert_close(found[True][1], found[False][1])
    assert found[True][2] < 0.3 * found[False][2]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_coarse_to_fine_commutes_with_quarter_turns(turns):
    band = torch.rand(20, 20, 20, generator=torch.Generator().manual_seed(0)) < 0.7
    config = DetectionConfig()
    still, fine, asked = lattice_quality(blobs, band, config, dtype=torch.float32)

    def turned(points):
        return blobs(turn_points(points, -turns))

    moved, refined, again = lattice_quality(
        turned, turn_grid(band, turns), config, dtype=torch.float32
    )
    torch.testing.assert_close(moved, turn_grid(still, turns), rtol=0, atol=1e-6)
    assert torch.equal(refined, turn_grid(fine, turns))
    assert asked == again
    assert not torch.equal(turn_grid(fine, turns), fine)


def test_only_cells_that_can_hold_a_peak_are_refined():
    n = 20
    ramp = torch.linspace(0.2, 0.9, n)[:, None, None].expand(n, n, n).contiguous()
    config = DetectionConfig(quality_threshold=0.5, peak_share=0.9)
    kept = promising(ramp, config)[:, 10, 10]
    best = ndimage.maximum_filter1d(ramp[:, 10, 10].numpy(), 5, mode="constant")
    expected = (ramp[:, 10, 10].numpy() >= 0.5) & (ramp[:, 10, 10].numpy() >= 0.9 * best)
    assert kept.tolist() == expected.tolist()
    assert 0 < kept.sum() < promising(ramp, DetectionConfig(peak_share=0.0))[:, 10, 10].sum()


def test_windows_keep_their_size_on_finer_lattices():
    config = DetectionConfig()
    assert config.windows(Workspace(resolution=40)) == (1.0, 5)
    assert config.windows(Workspace(resolution=60)) == (1.5, 7)
    assert config.windows(Workspace(resolution=80)) == (2.0, 9)
    assert config.windows(Workspace(side=0.6, resolution=80)) == (1.0, 5)
    assert config.windows(Workspace(side=0.15, table_height=0.0)) == (2.0, 9)
    assert DetectionConfig(nms_window=1).windows(Workspace(resolution=80))[1] == 1


def test_the_best_place_is_refined_even_below_the_threshold():
    config = DetectionConfig(quality_threshold=0.95)
    band = torch.ones(20, 20, 20, dtype=torch.bool)
    quality, fine, _ = lattice_quality(blobs, band, config, dtype=torch.float32)
    assert fine.flatten()[quality.argmax()]
    assert 0 < fine.sum() < fine.numel() / 4


def test_an_empty_band_asks_nothing():
    quality, fine, asked = lattice_quality(
        blobs, torch.zeros(8, 8, 8, dtype=torch.bool), DetectionConfig(), dtype=torch.float32
    )
    assert asked == 0
    assert not fine.any()
    assert not quality.any()


@pytest.mark.parametrize("n", [40, 60])
def test_lattice_is_centred_and_sits_on_the_voxel_centres(n):
    lattice = query_lattice(n, dtype=torch.float64)
    torch.testing.assert_close(lattice, -lattice.flip(0, 1, 2))
    axis = voxel_axis(Workspace(resolution=n), dtype=torch.float64)
    centres = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    torch.testing.assert_close((lattice + 0.5) * 0.3, centres)


@given(seeds, st.integers(1, 3))
def test_lattice_turns_onto_itself(seed, turns):
    """A field sampled on the lattice turns as the grid does."""
    lattice = query_lattice(8, dtype=torch.float64)
    weight = torch.randn(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    values = lattice @ weight
    turned = turn_points(lattice.reshape(-1, 3), -turns).reshape(lattice.shape) @ weight
    torch.testing.assert_close(turned, turn_grid(values, turns))


def test_lattice_limits():
    for scale in (1, 2):
        limits = lattice_limits(Workspace(side=0.3 * scale), 0.02 * scale, 0.05 * scale)
        kept = (query_lattice(40)[limits] + 0.5) * 0.3
        assert kept[:, :2].min() > 0.02
        assert kept[:, :2].max() < 0.28
        assert kept[:, 2].min() == pytest.approx(0.05625)
    assert kept[:, 2].max() == pytest.approx(0.29625)
    assert torch.equal(limits, turn_grid(limits, 1))


@given(seeds, st.sampled_from([0.5, 1.0, 1.7]))
def test_smoothing_is_scipys_where_everything_is_known(seed, sigma):
    quality = noise_field(seed, 16).double()
    ours = smooth(quality, torch.ones_like(quality, dtype=torch.bool), sigma)
    # Normalised by the weight inside: the same as scipy on values over scipy on ones.
    options = {"sigma": sigma, "mode": "constant"}
    expected = ndimage.gaussian_filter(quality.numpy(), **options)
    expected /= ndimage.gaussian_filter(np.ones((16, 16, 16)), **options)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-9)


@given(seeds)
def test_smoothing_ignores_the_unknown_and_keeps_constants(seed):
    known = noise_field(seed, 12) > 0.6
    quality = torch.where(known, 0.7, torch.nan)
    out = smooth(quality, known, 1.0)
    torch.testing.assert_close(out, torch.where(known, 0.7, 0.0))
    untouched = noise_field(seed + 1, 12)
    assert torch.equal(smooth(untouched, known, 0.0), torch.where(known, untouched, 0.0))


@given(seeds, sizes, st.sampled_from([1, 3, 5]), st.floats(0, 1))
def test_peaks_are_scipys_maxima_best_first(seed, n, window, threshold):
    quality = noise_field(seed, n)
    peaks, scores = select_peaks(quality, threshold, window)
    highest = ndimage.maximum_filter(quality.numpy(), window, mode="constant")
    expected = np.argwhere((quality.numpy() == highest) & (quality.numpy() >= threshold))
    assert sorted(map(tuple, peaks.tolist())) == sorted(map(tuple, expected.tolist()))
    assert torch.equal(scores, quality[tuple(peaks.T)])
    assert (scores.diff() <= 0).all()
    few, best = select_peaks(quality, threshold, window, 3)
    assert torch.equal(few, peaks[:3])
    assert torch.equal(best, scores[:3])


@given(seeds, sizes, st.sampled_from([3, 5]), st.integers(1, 3))
def test_peaks_turn_with_the_field(seed, n, window, turns):
    quality = noise_field(seed, n)
    marks = torch.zeros(n, n, n)
    peaks, _ = select_peaks(quality, 0.1, window)
    marks[tuple(peaks.T)] = 1
    turned_marks = torch.zeros(n, n, n)
    turned_peaks, _ = select_peaks(turn_grid(quality, turns), 0.1, window)
    turned_marks[tuple(turned_peaks.T)] = 1
    assert torch.equal(turned_marks, turn_grid(marks, turns))


def test_an_even_window_would_not_turn_with_the_field_and_is_refused():
    quality = noise_field(0, 20).numpy()

    def peaks(q):
        return q == ndimage.maximum_filter(q, 4)

    moved = peaks(np.rot90(quality, 1, (0, 1)).copy()) != np.rot90(peaks(quality), 1, (0, 1))
    assert moved.sum() > 10
    with pytest.raises(ValueError, match="odd"):
        select_peaks(torch.from_numpy(quality), 0.1, 4)


def test_equal_neighbours_all_survive_and_zero_is_no_peak():
    quality = torch.zeros(8, 8, 8)
    assert len(select_peaks(quality, 0.0, 3)[0]) == 0
    quality[3, 3, 3] = quality[3, 3, 4] = 0.5
    assert len(select_peaks(quality, 0.0, 3)[0]) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nms_window": 4}, "odd"),
        ({"lattice": 41}, "even"),
        ({"quality_floor": 0.6}, "floor"),
        ({"quality_threshold": 1.5}, "threshold"),
        ({"width_min": 0.08, "width_max": 0.07}, "width"),
        ({"width_min": -0.01}, "width"),
        ({"smoothing": -1.0}, "smoothing"),
        ({"reach": float("nan")}, "reach"),
        ({"max_grasps": 0}, "max_grasps is 0; give a whole number from 1"),
    ],
)
def test_impossible_thresholds_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DetectionConfig(**change)
