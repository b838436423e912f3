import numpy as np
import pytest

from equigrasp.policy.replays.replay import Replay


@pytest.fixture
def replay():
    """Three episodes of 10, 20 and 7 frames with random contents."""
    random = np.random.default_rng(0)
    count = 37
    block = random.uniform([0, 0, 0], [512, 512, 2 * np.pi], (count, 3))
    return Replay(
        random.uniform(0, 512, (count, 2)).astype(np.float32),
        random.uniform(0, 512, (count, 2)).astype(np.float32),
        block.astype(np.float32),
        random.integers(0, 256, (count, 96, 96, 3), dtype=np.uint8),
        random.uniform(0, 0.95, count).astype(np.float32),
        np.array([10, 30, 37]),
    )
