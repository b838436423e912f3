"""EquiGIGA with a judge: what it is asked, what it learns from, and what it leaves alone."""

import pytest
import torch

from equigrasp import DetectionConfig, GraspPlanner
from equigrasp.data import batch_keys as keys
from equigrasp.geometry.rotations import polar_rows
from equigrasp.models.equigiga import EquiGIGA, with_judge
from equigrasp.models.losses import GraspLoss
from equigrasp.perception.camera import fixed_view
from equigrasp.testing import assert_equivariant, synthetic_batch, synthetic_tsdf
from equigrasp.weights import load_model

TINY = {"resolution": 8, "fields": 2, "depth": 1, "head_fields": 4, "head_blocks": 1}


def judged(stirred=True, **options):
    torch.manual_seed(0)
    model = EquiGIGA(**TINY, **options, judge=True)
    if stirred:
        for parameter in model.judge.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def seen():
    generator = torch.Generator().manual_seed(2)
    return synthetic_tsdf(8, 2), torch.rand(2, 30, 3, generator=generator) - 0.5


def test_a_new_judge_agrees_with_the_quality_and_leaves_the_rest_as_it_was(seen):
    torch.manual_seed(1)
    plain = EquiGIGA(**TINY, layers={"kernels": "orbits"})
    model = with_judge(plain)
    scene, points = seen
    field = model.query(model.encode(scene), points, model.outputs)
    before = plain.query(plain.encode(scene), points, plain.outputs)
    for name in plain.outputs:
        assert torch.equal(getattr(field, name), getattr(before, name))
    assert torch.equal(field.confidence, field.quality)
    assert plain.judge is None
    assert model.config == {**plain.config, "judge": True}


def test_a_new_judge_follows_from_its_seed():
    plain = EquiGIGA(**TINY)
    state = torch.get_rng_state()
    first, second, third = (with_judge(plain, seed).judge.own.filter() for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert torch.equal(state, torch.get_rng_state())


def test_what_is_kept_of_a_look_is_all_that_the_verdict_needs(seen):
    model, (scene, points) = judged(), seen
    features = model.encode(scene)
    field = model.query(features, points, ("rotation", "quality", "confidence"))
    looked, quality = model.judged_at(features, points, field.rotation.unsqueeze(2))
    assert looked.shape == (2, 30, 1, model.judge.channels + 1)
    torch.testing.assert_close(quality.sigmoid(), field.quality)
    torch.testing.assert_close(model.verdict(looked)[0].sigmoid()[..., 0], field.confidence)
    assert model.verdict(looked)[1] is None
    assert (field.confidence - field.quality).abs().max() > 0.01


def test_the_hand_that_is_judged_is_the_one_that_is_given(seen):
    model, (scene, points) = judged(), seen
    features = model.encode(scene)
    turned = torch.eye(3).expand(2, 30, 1, 3, 3)
    field = model.query(features, points, ("rotation", "confidence"))
    other = model.verdict(model.judged_at(features, points, turned)[0])[0].sigmoid()[..., 0]
    assert (other - field.confidence).abs().max() > 1e-3
    looked, _ = model.judged_at(features, points, field.rotation.unsqueeze(2))
    channels = model.judge.source.channels
    around = looked.clone()
    around[..., channels : 26 * channels] = 0  # as if nothing were seen between the fingers
    assert (model.verdict(around)[0] - model.verdict(looked)[0]).abs().max() > 1e-3
    half = field.rotation @ torch.diag(torch.tensor([-1.0, -1.0, 1.0]))  # jaws exchanged
    same = model.verdict(model.judged_at(features, points, half.unsqueeze(2))[0])[0].sigmoid()
    torch.testing.assert_close(same[..., 0], field.confidence, atol=1e-5, rtol=0)


@pytest.mark.parametrize("backbone", ["planes", "volume"])
def test_judgements_turn_with_the_scene(backbone):
    outputs = ("quality", "confidence")  # a fresh model's rows may be dependent, see test_equigiga
    errors = assert_equivariant(judged(backbone=backbone).double(), outputs=outputs)
    assert max(errors["confidence"].values()) < 1e-12


def test_labelled_yaws_teach_the_judge_but_through_it_no_quality():
    model = judged()
    batch = synthetic_batch(2, 6, 5, 8, model.hand.opening)
    raw = model.training_field(model.encode(batch[keys.TSDF]), batch, 2, 2, torch.Generator())
    assert raw.confidence.shape == batch[keys.YAW_SUCCESS].shape
    losses = GraspLoss()(raw, batch)
    assert "confidence" in losses
    told = GraspLoss().focal(raw.confidence, torch.zeros_like(raw.confidence)).mean()
    gradients = torch.autograd.grad(
        told, list(model.heads["quality"].parameters()), allow_unused=True
    )
    assert all(gradient is None for gradient in gradients)
    without = EquiGIGA(**TINY)
    raw = without.training_field(without.encode(batch[keys.TSDF]), batch, 2, 2, torch.Generator())
    assert "confidence" not in GraspLoss()(raw, batch)


def test_without_a_judge_there_is_none_to_ask(seen):
    model, (scene, points) = EquiGIGA(**TINY), seen
    with pytest.raises(ValueError, match="confidence"):
        model.query(model.encode(scene), points, ("confidence",))
    rotations = polar_rows(torch.randn(2, 30, 1, 2, 3))
    with pytest.raises(ValueError, match="judge=True"):
        model.judged_at(model.encode(scene), points, rotations)


def test_a_saved_judge_comes_back(seen, tmp_path):
    import equigrasp

    model, (scene, points) = judged(), seen
    equigrasp.save_model(model, tmp_path / "mine", {"summary": "Mine."})
    again = load_model(tmp_path / "mine")
    expected = model.query(model.encode(scene), points, ("confidence",)).confidence
    found = again.query(again.encode(scene), points, ("confidence",)).confidence
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=0)  # saved in float16


def without_judge():
    """Shipped EquiGIGA of piles, without judge and calibration."""
    shipped = load_model("equigiga_pile", frozen=False)
    plain = EquiGIGA(**{**shipped.options, "judge": False}, bank=shipped.bank)
    plain.load_state_dict(shipped.state_dict(), strict=False)
    return plain


def test_grasps_are_ranked_by_quality_and_confidence(camera, depth_image):
    plain = without_judge()
    model = with_judge(plain)
    free = DetectionConfig(quality_threshold=0.01, quality_floor=0.01)
    planners = [GraspPlanner(each, detection=free) for each in (plain, model)]
    before, agreeing = (p.plan(depth_image(), camera, fixed_view()).grasps for p in planners)
    assert len(before) > 2
    # qualities are averaged over neighbours before peaks are looked for, those of a judge are not
    confidence = torch.tensor([a.score**2 / b.score for a, b in zip(agreeing, before, strict=True)])
    score = torch.tensor([g.score for g in before])
    assert (confidence - score).abs().max() < 0.1
    model.judge.head.out_projection.bias.data += 1.0
    after = planners[1].plan(depth_image(), camera, fixed_view()).grasps
    expected = (score * (torch.logit(confidence) + 1).sigmoid()).sqrt()
    assert [g.score for g in after] == pytest.approx(expected.tolist(), abs=1e-4)
