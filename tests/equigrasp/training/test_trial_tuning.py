"""Learning from trials: one gradient whatever the batch, exact turns before and after, progress."""

import pytest
import torch

from equigrasp.data import batch_keys as keys
from equigrasp.data.batch_keys import batch_faults
from equigrasp.diffusion.policy_gradient import clipped_update
from equigrasp.geometry.rotations import random_rotations
from equigrasp.geometry.turns import turn_matrix
from equigrasp.models.equigiga import EquiGIGA
from equigrasp.models.equiigd import EquiIGD
from equigrasp.testing import equivariance_error, synthetic_tsdf
from equigrasp.training.trial_tuning import (
    TrialSettings,
    TrialTuner,
    Tried,
    choose_points,
    grasp_tips,
)

SMALL = {
    "resolution": 8,
    "fields": 2,
    "depth": 1,
    "hidden_fields": 4,
    "head_blocks": 1,
    "flow_fields": 4,
    "flow_blocks": 1,
    "steps": 3,
}
SETTINGS = TrialSettings(points=3, samples=4, chain_steps=3, batch_size=2, learning_rate=3e-3)
SCENES, QUERIES = 2, 6


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make(**options):
    """A small model whose velocities are far from zero."""
    torch.manual_seed(0)
    model = EquiIGD(**{**SMALL, **options})
    with torch.no_grad():
        for parameter in model.velocity.out_projection.parameters():
            parameter.normal_(std=0.1)
    return model


def scenes(seed=0):
    generator = seeded(seed)
    success = torch.rand(SCENES, QUERIES, 5, generator=generator) > 0.5
    return {
        "tsdf": synthetic_tsdf(SMALL["resolution"], SCENES, generator),
        "points": 0.8 * (torch.rand(SCENES, QUERIES, 3, generator=generator) - 0.5),
        "label": success.any(-1).float(),
        "rotations": random_rotations((SCENES, QUERIES, 5), generator),
        "yaw_success": success,
        "yaw_margin": torch.ones(SCENES, QUERIES, 5),
        "widths": 0.08 * torch.rand(SCENES, QUERIES, 5, generator=generator),
        "mask": torch.ones(SCENES, QUERIES, dtype=torch.bool),
        "occ_points": torch.rand(SCENES, 8, 3, generator=generator) - 0.5,
        "occ": (torch.rand(SCENES, 8, generator=generator) > 0.5).float(),
    }


def lifted(rotations):
    """A trial that costs nothing: hands that come from above hold."""
    return rotations[..., 2, 2] < -0.3


def tried(drawn):
    success = lifted(drawn.rotations)
    return Tried(drawn, success, torch.full(success.shape, 0.04))


def test_the_scenes_of_these_tests_are_a_batch_of_training():
    assert batch_faults(scenes()) == []


def test_an_update_encodes_a_scene_once_and_has_the_gradient_of_its_chains_one_by_one():
    model = make().double()
    tuner = TrialTuner(model, SETTINGS)
    batch = {name: t.double() if t.is_floating_point() else t for name, t in scenes().items()}
    drawn = tuner.draw(batch, seeded(1))
    with torch.no_grad():  # the model has moved since the grasps were drawn
        for number, parameter in enumerate(model.velocity.parameters()):
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=seeded(number)))
    gained = tuner.gains(lifted(drawn.rotations)).double()
    encoded = []
    hook = model.encoder.register_forward_hook(lambda module, given, out: encoded.append(given))
    found = tuner.losses(batch, tried(drawn), gained, seeded(2))
    assert len(encoded) == 1
    hook.remove()
    assert 0 < found["clipped"] < 1
    parameters = [p for p in model.parameters() if p.requires_grad]
    together = torch.autograd.grad(found["policy"], parameters, allow_unused=True)
    alone = [torch.zeros_like(p) for p in parameters]
    count = drawn.log_prob[..., 0].numel()
    for i in range(SCENES):
        features = model.encode(batch[keys.TSDF][i : i + 1])
        for q in range(SETTINGS.points):
            point = drawn.points[i : i + 1, q : q + 1]
            seen = model.attend(model.reader(features), point)
            for s in range(SETTINGS.samples):
                one = (slice(i, i + 1), slice(q, q + 1), slice(s, s + 1))
                log_prob = tuner.log_prob(seen, drawn.states[one])
                loss = clipped_update(log_prob, drawn.log_prob[one], gained[one]).loss / count
                part = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
                alone = [a if g is None else a + g for a, g in zip(alone, part, strict=True)]
    assert sum(g is not None and bool(g.any()) for g in together) > 10
    for one_by_one, gradient in zip(alone, together, strict=True):
        expected = torch.zeros_like(one_by_one) if gradient is None else gradient
        torch.testing.assert_close(one_by_one, expected, rtol=1e-7, atol=1e-10)


def test_turned_scenes_and_chains_are_as_likely():
    model = make().double()
    tuner = TrialTuner(model, SETTINGS)
    batch = {name: t.double() if t.is_floating_point() else t for name, t in scenes().items()}
    drawn = tuner.draw(batch, seeded(1))
    turn = turn_matrix(1, torch.float64)
    tsdf = torch.rot90(batch[keys.TSDF], 1, (1, 2))
    points = drawn.points @ turn.T
    seen = model.attend(model.reader(model.encode(tsdf)), points)
    found = tuner.log_prob(seen, turn @ drawn.states)
    torch.testing.assert_close(found, drawn.log_prob, rtol=1e-6, atol=1e-6)


def test_advantages_compare_the_rotations_of_a_point():
    tuner = TrialTuner(make(), SETTINGS)
    success = torch.zeros(1, 3, 4, dtype=torch.bool)
    success[0, 1, 2] = True
    success[0, 2] = True  # all alike: nothing to learn
    gained = tuner.gains(success)
    assert gained.shape == (1, 3, 4, 3)
    assert not gained[0, 0].any()
    assert not gained[0, 2].any()
    assert (gained[0, 1, 2] > 0).all()
    assert (gained[0, 1, [0, 1, 3]] < 0).all()
    assert gained[0, 1].sum() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("flow", ["so3", "diffusion"])
def test_what_is_lifted_is_drawn_more_often_and_turns_stay_exact(flow):
    model = make(flow=flow)
    settings = TrialSettings(
        points=4, samples=16, chain_steps=5 if flow == "diffusion" else 3, std=0.2, epochs=3,
        batch_size=2, learning_rate=1e-2, clip=0.2, divergence=1.0, label_weight=0.0,
    )  # fmt: skip
    tuner = TrialTuner(model, settings)
    batch, generator, shares = scenes(), seeded(3), []
    for _ in range(12):
        drawn = tuner.draw(batch, generator)
        shares.append(float(lifted(drawn.rotations).float().mean()))
        told = tuner.learn(batch, tried(drawn), generator)
    assert sum(shares[-3:]) / 3 > sum(shares[:2]) / 2 + 0.15, shares
    assert told["updates"] == 3
    assert told["trials"] > 0
    errors = equivariance_error(model, num_points=20)
    assert max(max(by_turn.values()) for by_turn in errors.values()) < 1e-3


def test_updates_end_where_the_policy_has_moved_too_far():
    settings = TrialSettings(points=3, samples=4, chain_steps=3, epochs=50, divergence=1e-9)
    tuner = TrialTuner(make(), settings)
    batch = scenes()
    told = tuner.learn(batch, tried(tuner.draw(batch, seeded(1))), seeded(2))
    assert told["updates"] < 5


def test_points_of_promise_are_chosen_and_padding_never_is():
    model, batch = make(), scenes()
    batch["mask"][:, 3:] = False
    _, points, seen = choose_points(model, batch, 3, seeded())
    for i in range(SCENES):
        distance = torch.cdist(points[i], batch["points"][i])
        assert sorted(distance.argmin(1).tolist()) == [0, 1, 2]
    assert seen.shape[:2] == (SCENES, 3)
    with pytest.raises(ValueError, match="3 labelled points, and 4 are to be tried"):
        choose_points(model, batch, 4, seeded())


def test_tips_lie_before_the_query_points_along_the_approach():
    model = make()
    rotations = torch.eye(3).expand(1, 1, 1, 3, 3) * torch.tensor([1.0, -1.0, -1.0])
    tips = grasp_tips(model, torch.zeros(1, 1, 3), rotations)
    expected = torch.tensor([0.15, 0.15, 0.15 - model.query_setback])
    torch.testing.assert_close(tips[0, 0, 0], expected)


def test_what_cannot_be_tuned_is_named():
    with pytest.raises(ValueError, match="EquiGIGA draws no rotations with a flow"):
        TrialTuner(EquiGIGA(resolution=8, fields=2, depth=1))
    with pytest.raises(ValueError, match="samples is 1"):
        TrialSettings(samples=1)
    with pytest.raises(ValueError, match="std is 0"):
        TrialSettings(std=0.0)
