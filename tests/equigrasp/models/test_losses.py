import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.models.base import GraspField
from equigrasp.models.losses import GraspLoss, log_determinant, rotation_loss

HALF_TURN = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))


def rotations(count, seed=0):
    return torch.from_numpy(Rotation.random(count, random_state=seed).as_matrix())


def batch_and_raw(scenes=2, points=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (scenes, points)
    label = torch.tensor([1.0, 0.0] * (points // 2)).expand(shape).clone()
    success = torch.rand(*shape, 5, generator=generator) < 0.5
    success[..., 0] = True
    batch = {
        "label": label,
        "mask": torch.ones(shape, dtype=torch.bool),
        "rotations": rotations(scenes * points * 5).float().view(*shape, 5, 3, 3),
        "yaw_success": success & (label > 0.5).unsqueeze(-1),
        "yaw_margin": torch.ones(*shape, 5),
        "widths": 0.08 * torch.rand(*shape, 5, generator=generator),
        "occ": (torch.rand(scenes, 7, generator=generator) < 0.5).float(),
    }
    raw = GraspField(
        quality=torch.randn(shape, generator=generator, requires_grad=True),
        rotation=torch.randn(*shape, 2, 3, generator=generator, requires_grad=True),
        width=torch.rand(shape, generator=generator, requires_grad=True),
        occupancy=torch.randn(scenes, 7, generator=generator, requires_grad=True),
    )
    return batch, raw


@given(st.integers(0, 10_000))
def test_rotation_loss_equals_the_published_quaternion_form(seed):
    first, second = rotations(2, seed)
    loss = rotation_loss(first, second.unsqueeze(0))[0].item()
    q = Rotation.from_matrix(first.numpy()).as_quat()
    expected = min(
        1 - abs(q @ Rotation.from_matrix(target.numpy()).as_quat())
        for target in (second, second @ HALF_TURN)
    )
    assert loss == pytest.approx(expected, abs=1e-7)


@given(st.integers(0, 10_000))
def test_rotation_loss_ignores_the_half_turn_and_the_frame(seed):
    first, second, world = rotations(3, seed)
    loss = rotation_loss(first, second.unsqueeze(0))
    assert torch.allclose(loss, rotation_loss(first, (second @ HALF_TURN).unsqueeze(0)))
    assert torch.allclose(loss, rotation_loss(world @ first, (world @ second).unsqueeze(0)))


def test_perfect_prediction_leaves_only_the_smoothing():
    batch, raw = batch_and_raw()
    big = 50.0
    perfect = GraspField(
        quality=(2 * batch["label"] - 1) * big,
        rotation=batch["rotations"][:, :, 0, :2],
        width=batch["widths"][..., 0],
        occupancy=(2 * batch["occ"] - 1) * big,
    )
    terms = GraspLoss(smoothing=0.0)(perfect, batch)
    assert terms["loss"].item() == pytest.approx(0.0, abs=1e-5)
    assert GraspLoss(smoothing=0.1)(perfect, batch)["loss"] > 1


def test_best_successful_yaw_counts():
    batch, raw = batch_and_raw()
    batch["yaw_success"][0, 0] = torch.tensor([False, False, True, False, True])
    best = batch["rotations"].clone()
    rows, width = raw.rotation.detach().clone(), raw.width.detach().clone()
    batch["mask"][:] = False
    batch["mask"][0, 0] = True
    rows[0, 0], width[0, 0] = best[0, 0, 4, :2], batch["widths"][0, 0, 4]
    hit = GraspLoss()(raw._replace(rotation=rows, width=width), batch)
    assert hit["rotation"] < 1e-5
    assert hit["width"] < 1e-8
    rows[0, 0] = best[0, 0, 1, :2]  # the best fit is a yaw that failed: it must not count
    assert GraspLoss()(raw._replace(rotation=rows), batch)["rotation"] > 1e-2


def test_masked_points_have_no_influence():
    batch, raw = batch_and_raw()
    batch["mask"][:, 3:] = False
    before = GraspLoss()(raw, batch)["loss"]
    changed = {k: v.clone() for k, v in batch.items()}
    changed["label"][:, 3:] = 1 - changed["label"][:, 3:]
    changed["widths"][:, 3:] += 1
    changed["yaw_success"][:, 3:] = True
    assert GraspLoss()(raw, changed)["loss"] == before


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_a_success_counts_less_the_more_of_its_disturbed_trials_fail(weight):
    batch, raw = batch_and_raw()
    batch["yaw_success"][0, 0] = torch.tensor([True, True, False, False, True])
    batch["yaw_margin"][0, 0] = torch.tensor([0.0, 0.5, 0.0, 0.0, 1.0])
    loss = GraspLoss(smoothing=0.0, margin_weight=weight)
    chance = loss.chances(batch, torch.float32)[0, 0]
    expected = torch.tensor([1 - weight, 1 - weight / 2, 0.0, 0.0, 1.0])
    torch.testing.assert_close(chance, expected)
    # The point's quality is that of its best yaw: here first the undisturbed one, then none.
    batch["mask"][:] = False
    batch["mask"][0, 0] = True
    logit = raw.quality.detach()[0, 0]
    for best in (1.0, 1 - weight / 2):
        target = torch.tensor(best)
        asked = torch.nn.functional.binary_cross_entropy_with_logits(logit, target)
        assert loss(raw, batch)["quality"].item() == pytest.approx(asked.item(), rel=1e-5)
        batch["yaw_margin"][0, 0, 4] = 0.0


@pytest.mark.parametrize("nothing", ["positives", "points"])
def test_no_positives_or_no_points_is_finite_with_gradients(nothing):
    batch, raw = batch_and_raw()
    batch["label"][:] = 0
    batch["yaw_success"][:] = False
    if nothing == "points":
        batch["mask"][:] = False
    terms = GraspLoss()(raw, batch)
    assert all(value.isfinite().all() for value in terms.values())
    terms["loss"].backward()
    assert all(
        value.grad is not None and value.grad.isfinite().all() for value in raw if value is not None
    )
    assert terms["positives"] == 0


def test_positive_weight_shifts_the_quality_term():
    batch, raw = batch_and_raw()
    confident = raw._replace(quality=torch.full_like(raw.quality, -3.0))
    heavy, light = (GraspLoss(positive_weight=w)(confident, batch)["quality"] for w in (5.0, 1.0))
    assert heavy > light


def test_width_term_counts_published_voxels():
    batch, raw = batch_and_raw()
    width = batch["widths"][..., 0] + 0.0075  # one voxel of a 40-cube
    rotation = batch["rotations"][:, :, 0, :2]
    terms = GraspLoss()(raw._replace(width=width, rotation=rotation), batch)
    assert terms["width"].item() == pytest.approx(1.0, rel=1e-4)


def test_degenerate_rows_have_finite_gradients():
    batch, raw = batch_and_raw()
    for rows in (torch.zeros(2, 6, 2, 3), torch.ones(2, 6, 2, 3)):
        rows.requires_grad_()
        GraspLoss()(raw._replace(rotation=rows), batch)["loss"].backward()
        assert rows.grad.isfinite().all()


def test_smoothing_out_of_range_is_refused():
    with pytest.raises(ValueError, match="smoothing is 1.5"):
        GraspLoss(smoothing=1.5)


def test_failures_count_for_poses_where_all_grasps_do():
    batch, raw = batch_and_raw()
    own, published = (GraspLoss(pose_mean=which)(raw, batch) for which in ("positives", "all"))
    for term in ("rotation", "width", "conditioning"):  # half of the points are successes
        torch.testing.assert_close(published[term], 0.5 * own[term])
    torch.testing.assert_close(published["quality"], own["quality"])


def test_focal_loss_is_that_of_its_paper():
    """-(1 - p_t)^gamma log p_t, with p_t the probability of the truth (arXiv 1708.02002)."""
    logits = torch.linspace(-4, 4, 9, dtype=torch.float64)
    for label in (0.0, 1.0):
        truth = torch.full_like(logits, label)
        chance = torch.sigmoid(logits) if label else 1 - torch.sigmoid(logits)
        expected = -((1 - chance) ** 2) * chance.log()
        found = GraspLoss(smoothing=0.0, focal_gamma=2.0).focal(logits, truth)
        torch.testing.assert_close(found, expected)
        plain = GraspLoss(smoothing=0.0)
        torch.testing.assert_close(plain.focal(logits, truth), plain.classification(logits, truth))


@pytest.mark.parametrize("options", [{"pose_mean": "none"}, {"focal_gamma": -1.0}])
def test_terms_without_sense_are_refused(options):
    with pytest.raises(ValueError, match="pose_mean is"):
        GraspLoss(**options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_divergence_of_dependent_rows_is_that_of_their_singular_values(dtype):
    """sum of s^2 - log s^2 - 1 over both singular values (Kulis et al. 2009, section 3)."""
    rows = torch.randn(50, 2, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    squares = torch.linalg.svdvals(rows.double()).square()
    expected = (squares - squares.log() - 1).sum(-1)
    torch.testing.assert_close(log_determinant(rows).double(), expected, rtol=2e-4, atol=2e-5)
    torch.testing.assert_close(log_determinant(torch.eye(3)[:2]), torch.zeros(()))


def test_rows_are_kept_independent_at_failures_too():
    batch, raw = batch_and_raw()
    batch["mask"][1] = False
    loss = GraspLoss(conditioning="logdet", conditioning_weight=2.0)
    terms = loss(raw, batch)
    expected = log_determinant(raw.rotation[0]).mean()  # successes and failures of what counts
    torch.testing.assert_close(terms["conditioning"], expected)
    without = GraspLoss(conditioning_weight=0.0)(raw, batch)["loss"]
    torch.testing.assert_close(terms["loss"], without + 2 * expected)


def test_following_the_divergence_makes_dependent_rows_orthonormal():
    rows = torch.tensor([[[1.0, 0, 0], [0.99, 0.01, 0]], [[0.0, 0.1, 0], [0, -0.1, 0.02]]])
    rows.requires_grad_()
    optimiser = torch.optim.Adam([rows], 0.01)
    for _ in range(600):
        optimiser.zero_grad()
        log_determinant(rows).sum().backward()
        optimiser.step()
    torch.testing.assert_close(rows @ rows.mT, torch.eye(2).expand(2, 2, 2), atol=0.1, rtol=0)


def test_an_unknown_conditioning_is_refused():
    with pytest.raises(ValueError, match="conditioning is 'none'; use one of frobenius, logdet"):
        GraspLoss(conditioning="none")
