"""A judge learns what becomes of attempts, and nothing else of the model changes."""

import copy

import pytest
import torch

from equigrasp.models.equigiga import EquiGIGA
from equigrasp.models.equiigd import EquiIGD
from equigrasp.models.vgn import VGN
from equigrasp.training.judge_tuning import Attempts, JudgeSettings, judged_model, tune_judge

TINY = {
    "resolution": 8,
    "fields": 2,
    "depth": 1,
    "hidden_fields": 4,
    "head_blocks": 1,
    "flow_fields": 2,
    "flow_blocks": 1,
}
PLAN = 5
"""Attempts of a plan, two plans in a scene."""


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return EquiIGD(**TINY)


@pytest.fixture(scope="module")
def attempts(model):
    """Grasps hold where the field that a turn permutes first sums to more than usual."""
    generator = torch.Generator().manual_seed(1)
    count = 800
    channels = model.judge.in_projection.source.channels
    judged = torch.randn(count, channels, generator=generator)
    number = torch.arange(count)
    return Attempts(
        judged=judged,
        quality=torch.zeros(count),
        about=0.3 * torch.randn(count, 3, generator=generator),
        success=judged[:, :4].sum(1) > 0.5,
        scene=number // (2 * PLAN),
        plan=number // PLAN,
    )


def test_what_holds_is_learned_and_all_but_the_judge_stays(model, attempts):
    tuned = copy.deepcopy(model)
    told = tune_judge(tuned, attempts, JudgeSettings(epochs=30, batch_size=32, learning_rate=1e-2))
    assert told["auroc_before"] < 0.7 < 0.9 < told["auroc_after"]
    assert told["best_before"] < told["best_after"] <= told["any"]
    assert (told["attempts"], told["held_out"]) == (720, 80)
    before, after = model.state_dict(), tuned.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert {name.split(".")[0] for name in changed} == {"judge"}
    moved = (tuned.verdict(attempts.judged)[1] - model.verdict(attempts.judged)[1]).abs().mean()
    assert moved < 2e-3  # metres: openings are not what is learned


def test_judgements_of_a_turned_scene_stay_equal(model, attempts):
    tuned = copy.deepcopy(model).double()
    tune_judge(tuned, Attempts(*_doubles(attempts)), JudgeSettings(epochs=1))
    channels = tuned.judge.in_projection.source.channels
    generator = torch.Generator().manual_seed(3)
    judged = torch.randn(20, channels, generator=generator, dtype=torch.float64)
    turned = judged.unflatten(-1, (-1, 4)).roll(1, -1).flatten(-2)  # all fields are regular
    for mine, other in zip(tuned.verdict(judged), tuned.verdict(turned), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-12, rtol=0)


def test_equal_seeds_give_equal_judges(model, attempts):
    settings = JudgeSettings(epochs=2)
    first, second, third = (copy.deepcopy(model) for _ in range(3))
    tune_judge(first, attempts, settings, seed=4)
    tune_judge(second, attempts, settings, seed=4)
    tune_judge(third, attempts, settings, seed=5)
    judges = [
        torch.cat([p.flatten() for p in m.judge.parameters()]) for m in (first, second, third)
    ]
    assert torch.equal(judges[0], judges[1])
    assert not torch.equal(judges[0], judges[2])


def test_nothing_need_be_held_out(model, attempts):
    tuned = copy.deepcopy(model)
    told = tune_judge(tuned, attempts, JudgeSettings(epochs=1, held_out=0))
    assert told["held_out"] == 0
    assert told["auroc_after"] != told["auroc_after"]  # not a number


@pytest.mark.parametrize("all_alike", [True, False])
def test_outcomes_that_are_all_alike_are_refused(model, attempts, all_alike):
    alike = attempts._replace(success=torch.full_like(attempts.success, all_alike))
    with pytest.raises(ValueError, match="both outcomes are needed"):
        tune_judge(copy.deepcopy(model), alike)


def test_a_new_judge_of_equigiga_learns_and_says_nothing_of_widths(attempts):
    torch.manual_seed(0)
    plain = EquiGIGA(resolution=8, fields=2, depth=1, head_fields=4, head_blocks=1)
    tuned = judged_model(plain)
    generator = torch.Generator().manual_seed(1)
    judged = torch.randn(len(attempts.success), tuned.judge.channels + 1, generator=generator)
    attempts = attempts._replace(judged=judged, success=judged[:, :4].sum(1) > 0.5)
    told = tune_judge(tuned, attempts, JudgeSettings(epochs=30, batch_size=32, learning_rate=1e-2))
    assert told["auroc_before"] < 0.7 < 0.9 < told["auroc_after"]
    assert "widths" not in told
    after = tuned.state_dict()
    assert all(torch.equal(after[name], value) for name, value in plain.state_dict().items())


def test_who_has_a_judge_keeps_it_and_who_can_have_none_is_refused(model):
    assert judged_model(model) is model
    new = judged_model(EquiGIGA(resolution=8, fields=2, depth=1))
    assert judged_model(new) is new
    with pytest.raises(ValueError, match="VGN has no judge; name weights of EquiIGD or EquiGIGA"):
        judged_model(VGN(resolution=8, filters=[2, 3, 4]))


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": -1.0}, {"held_out": -1}]
)
def test_settings_beyond_their_limits_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        JudgeSettings(**wrong)


def _doubles(attempts):
    return (part.double() if part.is_floating_point() else part for part in attempts)
