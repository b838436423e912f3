"""Points of the hand and of the arm behind it, told by the pose of the tip alone.

Where they are is known anyway. In a fine cloud they are more than all that lies on the table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

NO_HAND = "none"
HANDS: dict[str, tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]] = {
    NO_HAND: (),
    "panda": (
        ((-0.04, -0.11, -0.14), (0.04, 0.11, -0.02)),
        ((-0.14, -0.14, -0.6), (0.14, 0.14, -0.1)),
    ),
}
"""Boxes (m; low and high corners) in the frame of the tip, whose z points from the hand to what it
grasps and whose y is the way of the fingers: fingers and hand of a Franka Panda, and its wrist.
What is between the fingertips is not in them."""


def on_hand(xyz: NDArray[np.floating], pose: ArrayLike, hand: str) -> NDArray[np.bool_]:
    """Which points (N,) are in the boxes of a hand.

    Args:
        xyz: (N, 3) metres in the world.
        pose: (7,) of the tip: position (m) and quaternion (x, y, z, w), in the world.
        hand: one of `HANDS`.
    """
    pose = np.asarray(pose, float)
    found = np.zeros(len(xyz), bool)
    if HANDS[hand]:
        seen = Rotation.from_quat(pose[3:7]).inv().apply(xyz - pose[:3])
        for low, high in HANDS[hand]:
            found |= ((seen > low) & (seen < high)).all(1)
    return found
