"""The recipe of policies: what counts as right, and how losses are weighted."""

import pytest
import torch

from equigrasp.policy.recipe import KeyframeRecipe, KeyframeStep, keyframe_metrics


def test_validation_counts_what_is_right():
    found = {
        "position": torch.tensor([0.005, 0.02, 0.001, 0.003]),
        "angle": torch.tensor([1.0, 1.0, 8.0, 2.0]),
        "gripper": torch.tensor([True, True, True, False]),
        "task": torch.tensor([0, 0, 1, 1]),
        "step": torch.tensor([0, 1, 0, 1]),
    }
    metrics = keyframe_metrics(found, ["a", "b"])
    assert metrics["correct"] == 0.25
    assert (metrics["near"], metrics["turned"], metrics["gripper"]) == (0.75, 0.75, 0.75)
    assert (metrics["correct/a"], metrics["correct/b"]) == (0.5, 0.0)
    assert metrics["position_error_mm"] == pytest.approx(7.25)


def test_right_ends_at_a_centimetre_and_at_five_degrees():
    found = {
        "position": torch.tensor([0.0099, 0.0101, 0.0, 0.0]),
        "angle": torch.tensor([0.0, 0.0, 4.99, 5.01]),
        "gripper": torch.ones(4, dtype=torch.bool),
        "task": torch.zeros(4, dtype=torch.long),
        "step": torch.arange(4),
    }
    metrics = keyframe_metrics(found, ["a"])
    assert (metrics["near"], metrics["turned"], metrics["correct"]) == (0.75, 0.75, 0.5)


def test_the_keyframe_at_which_a_task_fails_most_is_told():
    # Six of seven second keyframes of the first task are wrong, and the only fourth one: too few.
    # The second task has second keyframes alone, which are right.
    step = torch.tensor([*range(3)] * 7 + [3] + [1] * 5)
    wrong = (step == 1) & (torch.arange(len(step)) > 3) | (step == 3)
    wrong[-5:] = False
    found = {
        "position": torch.where(wrong, 0.1, 0.0),
        "angle": torch.zeros(len(step)),
        "gripper": torch.ones(len(step), dtype=torch.bool),
        "task": torch.tensor([0] * 22 + [1] * 5),
        "step": step,
    }
    metrics = keyframe_metrics(found, ["a", "b"])
    assert metrics["correct/a"] == pytest.approx(15 / 22)
    assert (metrics["weakest/a"], metrics["weakest/b"]) == (pytest.approx(1 / 7), 1.0)
    told = KeyframeRecipe(["s"], samples=1).summary(metrics)
    assert told.endswith("weakest 0.143 (a)")
    few = keyframe_metrics({name: rows[:12] for name, rows in found.items()}, ["a", "b"])
    assert not any(name.startswith("weakest") for name in few)
    assert "weakest" not in KeyframeRecipe(["s"], samples=1).summary(few)


def test_losses_are_weighted_and_made_of_as_many_noised_actions_as_asked():
    class Two(torch.nn.Module):
        loss_weights = {"position": 2.0, "rotation": 0.5}

        def losses(self, seen, done, samples, generator):
            return {"position": torch.tensor(3.0), "rotation": torch.tensor(float(samples))}

    batch = {name: torch.zeros(1) for name in ("xyz", "rgb", "mask", "state", "position", "open")}
    batch |= {"bins": torch.zeros(1, 3), "sentence": torch.zeros(1, dtype=torch.long)}
    for weights, expected in ((None, 6 + 3.5), ({"position": 1.0, "rotation": 10.0}, 73)):
        step = KeyframeRecipe(["s"], samples=7, weights=weights).step(Two(), "32-true")
        assert step(batch, torch.Generator())["loss"] == expected


def test_weights_must_name_the_losses():
    class One(torch.nn.Module):
        def losses(self, *_):
            return {"position": torch.zeros(())}

    step = KeyframeStep(One(), ["s"], 1, {"position": 1.0, "rotation": 1.0})
    batch = {name: torch.zeros(1) for name in ("xyz", "rgb", "mask", "state", "position", "open")}
    batch |= {"bins": torch.zeros(1, 3), "sentence": torch.zeros(1, dtype=torch.long)}
    with pytest.raises(ValueError, match="mend rotation"):
        step(batch, torch.Generator())
    with pytest.raises(ValueError, match="32-true alone"):
        KeyframeRecipe(["s"], samples=1, weights={}).step(One(), "bf16-mixed")
