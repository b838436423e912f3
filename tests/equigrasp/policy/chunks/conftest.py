import numpy as np
import pytest

from equigrasp.policy.replays.replay import Replay


@pytest.fixture
def replay():
    """Two episodes of 12 and 20 frames; actions tell episode and frame."""
    count = 32
    random = np.random.default_rng(0)
    frame = np.concatenate([np.arange(12), np.arange(20)])
    episode = np.arange(count) >= 12
    action = np.stack([frame * 10, 100 + 100 * episode], 1).astype(np.float32)
    block = random.uniform(100, 400, (count, 3)).astype(np.float32)
    image = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Replay(action, action + 1, block, image, None, np.array([12, 32]))
