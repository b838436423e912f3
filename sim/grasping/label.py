"""Label proposed grasps by simulated trials: the full published trial, and a fast equivalent.

Both start every trial by restoring the same snapshot. The generator hands them the scene as it is
written to files, loaded afresh and at rest ("loaded" in the labeller's name; labels of before, made
on the scene as it had been built, say "restore"), so that the same trial in a world built from the
file later on sees the same scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equigrasp.data.vocabulary import YAWS_PER_POINT, Fate
from equigrasp.geometry.transforms import yaw_turns
from equigrasp.hand import PANDA, Hand
from sim.grasping.fast_trials import fast_trials
from sim.grasping.hands import free_hand
from sim.grasping.margin import disturbed
from sim.grasping.propose import Candidates
from sim.grasping.trial import TrialOutcome, execute_grasp
from sim.scene.simulator import Simulator

if TYPE_CHECKING:
    from sim.scene.renderer import SceneGeometry

REFERENCE_LABELLER = "reference/loaded/2"
FAST_LABELLER = "fast/loaded/2"
"""Names stored with the labels: labeller, semantics of the scene before each trial, version."""
AUDIT_SHARE = 0.05


@dataclass(frozen=True)
class Labels:
    """Outcome of every yaw of G grasps.

    Attributes:
        yaw_success: (G, 5) bool.
        yaw_margin: (G, 5) float32, share of disturbed trials that hold as well
            (`sim.grasping.margin`); 0 for a failure, NaN for a success that was not disturbed.
        yaw_width: (G, 5) float32, opening after the trial; all of it where the fingers never
            closed.
        yaw_fate: (G, 5) uint8, see `Fate`.
        yaw_audited: (G, 5) bool, simulated only because the audit drew it.
    """

    yaw_success: np.ndarray
    yaw_margin: np.ndarray
    yaw_width: np.ndarray
    yaw_fate: np.ndarray
    yaw_audited: np.ndarray

    @classmethod
    def blank(cls, count: int, hand: Hand = PANDA) -> Labels:
        """Labels of `count` grasps of a hand, all failed."""
        shape = (count, YAWS_PER_POINT)
        return cls(
            np.zeros(shape, bool),
            np.zeros(shape, np.float32),
            np.full(shape, hand.opening, np.float32),
            np.full(shape, Fate.COLLISION_START, np.uint8),
            np.zeros(shape, bool),
        )

    @property
    def point_success(self) -> np.ndarray:
        """(G,) bool, whether any yaw of a grasp succeeds."""
        return self.yaw_success.any(axis=1)


def grasp_poses(candidates: Candidates) -> np.ndarray:
    """(G, 5, 4, 4) TCP poses of every yaw of every candidate."""
    poses = np.zeros((len(candidates), YAWS_PER_POINT, 4, 4))
    poses[..., :3, :3] = candidates.rotation[:, None] @ yaw_turns(YAWS_PER_POINT)
    poses[..., :3, 3] = candidates.position[:, None]
    poses[..., 3, 3] = 1.0
    return poses


def _store(labels: Labels, index: tuple[int, int], outcome: TrialOutcome) -> None:
    labels.yaw_success[index] = outcome.success
    labels.yaw_margin[index] = np.nan if outcome.success else 0.0
    labels.yaw_width[index] = outcome.width
    labels.yaw_fate[index] = outcome.fate


def label_reference(world: Simulator, candidates: Candidates, hand: Hand = PANDA) -> Labels:
    """Label by the VGN/GIGA trial in full, with a freshly loaded gripper for every trial.

    Args:
        world: holds the scene; it is left as it was found.
        candidates: G proposed grasps.
        hand: what grasps.
    """
    labels = Labels.blank(len(candidates), hand)
    poses = grasp_poses(candidates)
    gripper = free_hand(world, hand)
    state = world.save()
    for index in np.ndindex(poses.shape[:2]):
        world.restore(state)
        _store(labels, index, execute_grasp(world, gripper, poses[index]))
    world.restore(state)
    world.forget(state)
    return labels


def label_fast(
    world: Simulator,
    geometry: SceneGeometry,
    candidates: Candidates,
    rng: np.random.Generator,
    audit: float = AUDIT_SHARE,
    *,
    hand: Hand = PANDA,
    margin_pairs: int = 0,
) -> Labels:
    """Label by geometry first, and by a shortened trial where geometry does not decide.

    A random share of the rejected yaws is simulated all the same, approach included; its outcome
    is then the label, and `yaw_audited` marks it.

    Args:
        world: holds the scene; it is left as it was found.
        geometry: the same scene's meshes.
        candidates: G proposed grasps.
        audit: share of the rejected yaws to simulate, in [0, 1].
        hand: what grasps.
        margin_pairs: pairs of disturbed trials per successful yaw; 0 leaves the margins unknown.

    Raises:
        ValueError: if `audit` is outside [0, 1].
    """
    if not 0.0 <= audit <= 1.0:
        raise ValueError(f"audit is {audit}; give a share in [0, 1]")
    labels = Labels.blank(len(candidates), hand)
    poses = grasp_poses(candidates)

    with fast_trials(world, geometry, hand) as trials:
        labels.yaw_fate[:] = trials.screen(poses.reshape(-1, 4, 4)).reshape(-1, YAWS_PER_POINT)
        open_ = labels.yaw_fate == Fate.SUCCESS
        labels.yaw_audited[:] = ~open_ & (rng.random(open_.shape) < audit)
        for index in map(tuple, np.argwhere(labels.yaw_audited)):
            _store(labels, index, trials.try_all(poses[index]))
        lifted: dict[tuple[int, int], int] = {}
        for index in map(tuple, np.argwhere(open_)):
            outcome = trials.try_free(poses[index])
            _store(labels, index, outcome)
            if outcome.success:
                lifted[index] = outcome.body
        if margin_pairs and lifted:
            around = disturbed(np.stack([poses[index] for index in lifted]), margin_pairs, rng)
            free = trials.screen(around.reshape(-1, 4, 4)) == Fate.SUCCESS
            free = free.reshape(around.shape[:2])
            for index, moved, may in zip(lifted, around, free, strict=True):
                held = [trials.holds_heavier(T, lifted[index]) for T in moved[may]]
                labels.yaw_margin[index] = sum(held) / len(moved)
    return labels
