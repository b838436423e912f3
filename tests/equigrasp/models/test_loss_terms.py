"""Every term of the loss by itself, summed up by hand: mixed success, padding, yaws that failed."""

import itertools

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from equigrasp.models.base import FlowTerms, GraspField
from equigrasp.models.losses import GraspLoss

YAWS = 5
OPTIONS = {"smoothing": 0.2, "positive_weight": 3.0, "margin_weight": 0.5}
WEIGHTS = {
    "rotation_weight": 2.0,
    "width_weight": 3.0,
    "conditioning_weight": 5.0,
    "flow_weight": 7.0,
    "confidence_weight": 11.0,
    "occupancy_weight": 13.0,
}
SUCCESS = [  # two scenes of four points; the last of either is padding, whose labels mean nothing
    [[0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
    [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 1], [1, 0, 1, 0, 1]],
]
MASK = [[1, 1, 1, 0], [1, 1, 1, 0]]
POINTS = [(b, q) for b, q in itertools.product(range(2), range(4)) if MASK[b][q]]
PAIRS = [(b, q, k) for b, q in POINTS for k in range(YAWS)]


def numbers(*shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def batch():
    success = torch.tensor(SUCCESS).bool()
    turns = Rotation.random(2 * 4 * YAWS, random_state=0).as_matrix()
    return {
        "label": success.any(-1).double(),
        "mask": torch.tensor(MASK).bool(),
        "rotations": torch.from_numpy(turns).view(2, 4, YAWS, 3, 3),
        "yaw_success": success,
        "yaw_margin": numbers(2, 4, YAWS, seed=1).abs().clamp(max=1),
        "widths": 0.04 + 0.01 * numbers(2, 4, YAWS, seed=2),
        "occ": (numbers(2, 6, seed=3) > 0).double(),
    }


def pose_field():
    return GraspField(
        quality=numbers(2, 4, seed=4),
        rotation=numbers(2, 4, 2, 3, seed=5),
        width=0.04 + 0.01 * numbers(2, 4, seed=6),
        occupancy=numbers(2, 6, seed=7),
    )


def sampled_field():
    flow = FlowTerms(numbers(3, 6, 3, seed=8), numbers(3, 6, 3, seed=9))
    return pose_field()._replace(
        rotation=None,
        width=0.04 + 0.01 * numbers(2, 4, YAWS, seed=10),
        confidence=numbers(2, 4, YAWS, seed=11),
        flow=flow,
    )


def cross_entropy(logit, target):
    p = 1 / (1 + np.exp(-float(logit)))
    target = 0.8 * float(target) + 0.1  # smoothing 0.2
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def chance(data, b, q, k):
    """A success that no disturbed trial repeats counts half."""
    return float(data["yaw_success"][b, q, k]) * (0.5 + 0.5 * float(data["yaw_margin"][b, q, k]))


def quality(data, raw):
    total = weights = 0.0
    for b, q in POINTS:
        best = max(chance(data, b, q, k) for k in range(YAWS))
        weight = 3.0 if data["label"][b, q] else 1.0
        total += weight * cross_entropy(raw.quality[b, q], best)
        weights += weight
    return total / weights


def occupancy(data, raw):
    pairs = zip(raw.occupancy.flatten(), data["occ"].flatten(), strict=True)
    return np.mean([cross_entropy(*pair) for pair in pairs])


def voxels(predicted, target):
    return (float(predicted - target) / 0.0075) ** 2


def turned_away(rows, target):
    """1 - |<q, q*>| of the nearer of the two equal grasps, by scipy."""
    u, _, v = np.linalg.svd(rows.numpy(), full_matrices=False)
    top = u @ v
    predicted = Rotation.from_matrix(np.vstack([top, np.cross(*top)]))
    equal = [target.numpy(), target.numpy() @ np.diag([-1.0, -1.0, 1.0])]
    return min(
        1 - abs(float(predicted.as_quat() @ Rotation.from_matrix(t).as_quat())) for t in equal
    )


def pose_terms(data, raw):
    """Of points with a success: the yaw among the successes that is nearest decides."""
    rotation, width, conditioning = [], [], []
    for b, q in POINTS:
        good = [k for k in range(YAWS) if data["yaw_success"][b, q, k]]
        if not good:
            continue
        away = {k: turned_away(raw.rotation[b, q], data["rotations"][b, q, k]) for k in good}
        nearest = min(away, key=away.get)
        rotation.append(away[nearest])
        width.append(voxels(raw.width[b, q], data["widths"][b, q, nearest]))
        rows = raw.rotation[b, q].numpy()
        conditioning.append(((rows @ rows.T - np.eye(2)) ** 2).sum())
    found = {"rotation": rotation, "width": width, "conditioning": conditioning}
    assert {len(values) for values in found.values()} == {3}
    return {name: np.mean(values) for name, values in found.items()}


def sampled_terms(data, raw):
    judged = [cross_entropy(raw.confidence[at], chance(data, *at)) for at in PAIRS]
    held = [at for at in PAIRS if data["yaw_success"][at]]
    widths = [voxels(raw.width[at], data["widths"][at]) for at in held]
    error = (raw.flow.velocity - raw.flow.target).numpy()
    return {
        "confidence": np.mean(judged),
        "width": np.mean(widths),
        "flow": np.mean((error**2).sum(-1)),
    }


@pytest.mark.parametrize("kind", ["one pose", "sampled"])
def test_every_term_and_their_weighted_sum(kind):
    data = batch()
    raw = sampled_field() if kind == "sampled" else pose_field()
    terms = sampled_terms(data, raw) if kind == "sampled" else pose_terms(data, raw)
    expected = {"quality": quality(data, raw), "occupancy": occupancy(data, raw), **terms}
    found = {k: float(v) for k, v in GraspLoss(**OPTIONS, **WEIGHTS)(raw, data).items()}
    assert found.pop("positives") == 3
    total = sum(WEIGHTS.get(f"{name}_weight", 1.0) * value for name, value in expected.items())
    assert found == pytest.approx({**expected, "loss": total}, rel=1e-5)


@pytest.mark.parametrize("field", [pose_field, sampled_field])
def test_default_weights_are_the_published_ones(field):
    terms = {k: float(v) for k, v in GraspLoss()(field(), batch()).items()}
    del terms["positives"]
    small = {"width": 0.01, "conditioning": 0.01}
    total = sum(small.get(name, 1.0) * value for name, value in terms.items() if name != "loss")
    assert terms["loss"] == pytest.approx(total, rel=1e-9)
    loss = GraspLoss()
    assert (loss.smoothing, loss.positive_weight, loss.margin_weight) == (0.1, 1.0, 0.5)
    assert (loss.pose_mean, loss.focal_gamma) == ("positives", 0.0)
    assert (loss.num_samples, loss.points_per_scene) == (64, 16)


def test_what_is_told_well_counts_less_in_the_judgement():
    data, raw = batch(), sampled_field()
    found = GraspLoss(**OPTIONS, focal_gamma=2.0)(raw, data)["confidence"]
    expected = []
    for at in PAIRS:
        label = chance(data, *at)
        missed = abs(label - 1 / (1 + np.exp(-float(raw.confidence[at]))))
        expected.append(missed**2 * cross_entropy(raw.confidence[at], label))
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_point_whose_label_no_yaw_bears_out_teaches_no_pose():
    """Labels and yaws may differ in foreign data: a pose is learned from yaws that succeeded."""
    data, raw = batch(), pose_field()
    before = GraspLoss()(raw, data)
    data["label"][0, 1] = 1.0
    after = GraspLoss()(raw, data)
    for term in ("rotation", "width", "conditioning"):
        assert after[term] == before[term]
    assert after["quality"] != before["quality"]
