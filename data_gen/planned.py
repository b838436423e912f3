"""Grasps that a trained model plans on a scene, to be labelled: what it would do, right or wrong.

Grasps along normals and antipodal pairs leave out most hands that a network can think of, such as
those that close on a corner. Where a model is sure of what never holds, only labels of its own
plans tell it (compare DAgger: Ross, Gordon and Bagnell 2011).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from equigrasp.data.vocabulary import Source
from equigrasp.detection import DetectionConfig
from equigrasp.hand import Hand, require_same_hand
from equigrasp.perception.camera import DEFAULT_INTRINSICS
from equigrasp.perception.noise import apply_noise
from equigrasp.planner import GraspPlanner
from equigrasp.weights import find_weights
from sim.grasping.propose import Candidates, seen_from

if TYPE_CHECKING:
    from sim.scene.renderer import SceneGeometry

NOISES = ("gamma", "camera")
LOWEST = 0.05
"""Score from which planned grasps are labelled."""
FRESH_PLANS = 4
"""Times every view is planned at most, each with noise and samples of its own."""
ADVANCES = (0.0, DetectionConfig().advance)
"""Of the planned grasps (m): half of the plans stop where the network means, as labels do, half
reach as much deeper as planners do by default."""


class ProposerError(RuntimeError):
    """The weights that propose grasps are not those that the run began with."""


def weights_digest(model: str) -> str:
    """Hash of the weights that a shipped name or a path stands for.

    Raises:
        FileNotFoundError: there are none.
    """
    return hashlib.sha256(Path(find_weights(model)[0]).read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=4)
def _planner(model: str, digest: str, advance: float) -> GraspPlanner:
    if weights_digest(model) != digest:
        raise ProposerError(f"the weights of '{Path(model).name}' changed during the run")
    config = DetectionConfig(
        quality_threshold=LOWEST, quality_floor=LOWEST, advance=advance, min_points_between=0
    )
    return GraspPlanner.from_pretrained(model, detection=config)


def planned_grasps(
    model: str,
    digest: str,
    geometry: SceneGeometry,
    poses: Sequence[np.ndarray],
    count: int,
    rng: np.random.Generator,
    hand: Hand,
) -> Candidates:
    """Grasps that a model plans on noisy images of a scene.

    Args:
        model, digest: shipped name or path of the weights, and `weights_digest` of them.
        geometry: the scene.
        poses: (4, 4) cameras that take turns.
        count: grasps wanted.
        rng: of noise and choice.
        hand: that the labels are for.

    Returns:
        At most `count` candidates, of a plan not more than its share; fewer where the model finds
        fewer.

    Raises:
        ProposerError: the weights are not those of the digest.
        ValueError: the model is for another hand.
    """
    share = -(-count // len(poses))
    position, rotation = [], []
    for turn in range(FRESH_PLANS * len(poses)):
        planner = _planner(model, digest, ADVANCES[turn // len(poses) % len(ADVANCES)])
        require_same_hand(planner.model.hand, f"the model {Path(model).name}", hand, "the data")
        T = poses[turn % len(poses)]
        noise = NOISES[int(rng.integers(len(NOISES)))]
        depth = apply_noise(geometry.render(DEFAULT_INTRINSICS, T), noise, rng)
        planner.seed = int(rng.integers(2**31))
        grasps = planner.plan(depth, DEFAULT_INTRINSICS, T).grasps
        # The best is what a robot would do; of the others any may become the best elsewhere.
        others = rng.permutation(len(grasps) - 1)[: share - 1] + 1 if grasps else []
        for grasp in [grasps[i] for i in [0, *others][: len(grasps)]]:
            position.append(grasp.T_world_grasp[:3, 3])
            rotation.append(grasp.T_world_grasp[:3, :3])
        if len(position) >= count:
            break
    if not position:
        return Candidates.none()
    tips = np.stack(position)[:count]
    return Candidates(
        tips,
        np.stack(rotation)[:count],
        np.full(len(tips), Source.MODEL, np.uint8),
        seen_from(geometry, poses[0][:3, 3], tips),
    )
