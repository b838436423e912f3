"""Random numbers of a scene, and where its occupancy is asked."""

import numpy as np

from data_gen.generate import STREAMS, occupancy_points, scene_streams
from equigrasp.workspace import WORKSPACE


def test_streams_of_scenes_and_stages_are_independent():
    draws = {
        (seed, index, name): tuple(stream.integers(2**63, size=2).tolist())
        for seed in (0, 1)
        for index in (0, 1, 2)
        for name, stream in scene_streams(seed, index).items()
    }
    assert len(set(draws.values())) == 2 * 3 * len(STREAMS)
    again = scene_streams(1, 2)["label"].integers(2**63, size=2)
    assert draws[1, 2, "label"] == tuple(again.tolist())


class Boxes:
    """Two boxes near a wall of the workspace."""

    workspace = WORKSPACE

    def __len__(self):
        return 2

    def bounds(self, body):
        return np.array(
            [[[0.01, 0.1, 0.05], [0.05, 0.15, 0.1]], [[0.1, 0.1, 0.05], [0.2, 0.2, 0.12]]]
        )[body]


def test_occupancy_points_are_half_near_the_objects_and_half_anywhere():
    points = occupancy_points(Boxes(), 4001, np.random.default_rng(0))
    assert points.dtype == np.float16
    assert points.shape == (4001, 3)
    near, anywhere = points[:2000].astype(float), points[2000:].astype(float)
    np.testing.assert_allclose(near.min(axis=0), [0.0, 0.08, 0.03], atol=1e-3)
    np.testing.assert_allclose(near.max(axis=0), [0.22, 0.22, 0.14], atol=1e-3)
    np.testing.assert_allclose(anywhere.min(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(anywhere.max(axis=0), 0.3, atol=1e-3)
