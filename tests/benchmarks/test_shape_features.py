"""The classifier of shapes is Fisher's, learns nothing from chance, and its table is complete."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from shape_features import FEATURES, SIZES, VOXELS, named, shares, table


def drawn(count, seed):
    """Three kinds with one covariance: features and names."""
    rng = np.random.default_rng(seed)
    middles = np.array([[0, 0, 0], [1.5, 0, 0], [0, 1, 1.5]])
    kinds = rng.integers(3, size=count)
    spread = np.array([[1.0, 0.6, 0], [0.6, 1, 0], [0, 0, 0.3]])
    x = middles[kinds] + rng.multivariate_normal(np.zeros(3), spread, count)
    return x, np.array(["bar", "disc", "square"])[kinds]


def test_it_names_the_likeliest_kind():
    x, names = drawn(4000, 0)
    asked, right = drawn(500, 1)
    found = named(x, names, asked)
    kinds = np.unique(names)
    apart = np.concatenate([x[names == kind] - x[names == kind].mean(0) for kind in kinds])
    likely = [
        multivariate_normal(x[names == kind].mean(0), np.cov(apart.T)).logpdf(asked)
        for kind in kinds
    ]
    assert (found == kinds[np.argmax(likely, 0)]).mean() > 0.99
    assert 0.75 < (found == right).mean() < 0.99


def test_from_noise_it_learns_nothing_and_the_table_says_all():
    rng = np.random.default_rng(0)
    scenes = 100
    found = {
        (where, size, f"{1000 * voxel:g}"): [
            (
                scene,
                {"name": name, "local": rng.normal(size=9), "alike": np.eye(7)[row]},
            )
            for scene in range(scenes)
            for row, name in enumerate(("bar", "disc", "square"))
        ]
        for where in ("thing", "outline")
        for size in SIZES
        for voxel in VOXELS
    }
    numbers = shares(found, scenes)
    assert len(numbers) == len(found) * len(FEATURES)
    for (*_, features), share in numbers.items():
        expected = pytest.approx(1 / 3, abs=0.12) if features == "local" else 1.0
        assert share == expected
    lines = table(numbers, scenes).splitlines()
    assert len(lines) == 2 + len(SIZES) * len(VOXELS) + 2
    assert all(line.count("100.0") == 4 for line in lines[2:-2])
