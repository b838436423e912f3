"""The loop with a recipe that says nothing but scores: which weights are judged, kept, exported."""

import itertools
import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.optim.optimizer import register_optimizer_step_pre_hook

from equigrasp.training.best_model import save_best_model
from equigrasp.training.checkpoint import load_checkpoint
from equigrasp.training.loop import train
from equigrasp.training.random_state import step_generator
from equigrasp.training.run_log import read_records
from equigrasp.training.run_state import RunState
from equigrasp.training.settings import TrainSettings

SETTINGS = TrainSettings(
    epochs=None,
    max_steps=6,
    batch_size=2,
    learning_rate=0.1,
    warmup_steps=4,
    weight_decay=0.0,
    grad_clip=0.5,
    average_decay=0.9,
    validate_every=2,
    checkpoint_every=100,
    log_every=1,
    workers=0,
    accelerator="cpu",
    progress=False,
)


class Toy(torch.nn.Module):
    """Three weights, a model as far as saving asks for one."""

    config = {"name": "toy"}

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))


class Items:
    """Keyed items that tell their key."""

    def __len__(self):
        return 4

    def __getitem__(self, key):
        return {"key": torch.tensor(key)}


class Recipe:
    """Scores in turn; a loss whose gradient is `slope` on every weight."""

    score = "score"

    def __init__(self, *scores, slope=1.0, noisy=False):
        self.scores, self.slope, self.noisy = list(scores), slope, noisy
        self.judged, self.data, self.drawn = [], [], []

    def step(self, model, precision):
        recipe = self

        class Step(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, batch, generator):
                recipe.drawn.append(float(torch.rand((), generator=generator)))
                loss = recipe.slope * self.model.weight.sum()
                if recipe.noisy:  # from every generator that a library may use
                    drawn = torch.rand(()) + random.random() + np.random.random()  # noqa: NPY002
                    loss = loss + drawn.detach()
                return {"loss": loss}

        return Step()

    def validation_metrics(self, model, dataset, *, workers, device):
        self.judged.append(model.weight.detach().clone())
        self.data.append(dataset)
        model.eval()
        return {"score": self.scores[len(self.judged) - 1]}

    def summary(self, metrics):
        return f"score {metrics['score']}"


def run(folder, recipe, settings=SETTINGS, build=Toy):
    data = Items(), Items()
    result = train(build, recipe, *data, settings, folder)
    assert all(judged is data[1] for judged in recipe.data)
    return result


@pytest.fixture
def steps():
    """(weights, gradient norm, rate) that the optimiser sees at every step."""
    seen = []

    def look(optimizer, args, kwargs):
        (group,) = optimizer.param_groups
        (weight,) = group["params"]
        seen.append((weight.detach().clone(), float(weight.grad.norm()), group["lr"]))

    handle = register_optimizer_step_pre_hook(look)
    yield seen
    handle.remove()


def averages(weights):
    """The moving average after every step, by the rule in words: it forgets faster early on."""
    average = weights[0]
    for step, weight in enumerate(weights[1:], start=1):
        kept = min(0.9, (1 + step) / (10 + step))
        average = kept * average + (1 - kept) * weight
        yield average


def test_the_averaged_weights_of_the_best_score_are_kept_and_exported(tmp_path, steps):
    recipe = Recipe(1.0, 3.0, 2.0)
    result = run(tmp_path, recipe)
    assert (result.step, result.best_step, result.best_metrics) == (6, 4, {"score": 3.0})
    last = load_checkpoint(tmp_path / "checkpoints" / "last")
    weights = [weight for weight, _, _ in steps] + [last.model["weight"]]
    expected = list(averages(weights))[1::2]
    assert len(recipe.judged) == 3
    for found, wanted in zip(recipe.judged, expected, strict=True):
        torch.testing.assert_close(found, wanted)
    best = load_checkpoint(tmp_path / "checkpoints" / "best")
    assert (best.state["step"], last.state["step"]) == (4, 6)
    torch.testing.assert_close(best.average["weight"], expected[1])
    torch.testing.assert_close(last.average["weight"], expected[2])
    target = save_best_model(Toy(), result, SETTINGS, {"data": "none"})
    torch.testing.assert_close(load_file(target)["weight"], expected[1])
    card = json.loads(target.with_suffix(".json").read_text())
    assert (card["step"], card["steps_done"], card["validation"]) == (4, 6, {"score": 3.0})
    validations = read_records(tmp_path / "metrics.jsonl", "validation")
    assert [(r["step"], r["score"]) for r in validations] == [(2, 1.0), (4, 3.0), (6, 2.0)]


def test_the_average_starts_from_the_weights_whatever_a_second_build_draws(tmp_path, steps):
    recipe = Recipe(1.0, 3.0, 2.0)
    builds = itertools.count(1)

    def build():
        toy = Toy()
        toy.weight.data *= 10.0 ** next(builds)
        return toy

    run(tmp_path, recipe, build=build)
    last = load_checkpoint(tmp_path / "checkpoints" / "last")
    weights = [weight for weight, _, _ in steps] + [last.model["weight"]]
    for found, wanted in zip(recipe.judged, list(averages(weights))[1::2], strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("scores", "best"),
    [((1, 2, 3), 6), ((3, 2, 1), 2), ((2, 2, 1), 4), ((math.nan, 1, math.nan), 4)],
)
def test_later_wins_a_tie_and_nan_never(tmp_path, scores, best):
    assert run(tmp_path, Recipe(*scores)).best_step == best


def test_no_score_of_nan_replaces_a_number():
    state = RunState(None, None, None, "score", {}, 9, step=5)
    kept = [state.keep_if_best({"score": value}) for value in (math.nan, math.nan, 0.0, math.nan)]
    assert kept == [True, False, True, False]
    assert state.best_metrics == {"score": 0.0}


def test_gradients_are_clipped_and_the_rate_rises_first(tmp_path, steps):
    run(tmp_path, Recipe(1.0, 1.0, 1.0, slope=100.0))
    assert [norm for _, norm, _ in steps] == pytest.approx([0.5] * 6, rel=1e-4)
    moved = steps[1][0] - steps[0][0]  # the first step of Adam has the length of the rate
    torch.testing.assert_close(moved, torch.full((3,), -0.025), rtol=0, atol=1e-4)
    rates = [rate for _, _, rate in steps]
    assert rates[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    assert rates[5] == pytest.approx(0.1 * (0.02 + 0.98 * 0.5))
    records = read_records(tmp_path / "metrics.jsonl", "train")
    assert [r["learning_rate"] for r in records] == pytest.approx(rates)
    assert [r["grad_norm"] for r in records] == pytest.approx([100 * 3**0.5] * 6)  # before


def test_small_gradients_are_left_alone(tmp_path, steps):
    run(tmp_path, Recipe(1.0, 1.0, 1.0, slope=0.01))
    assert [norm for _, norm, _ in steps] == pytest.approx([0.01 * 3**0.5] * 6)


def test_every_global_generator_goes_on_where_it_was(tmp_path):
    def losses(folder):
        return [r["loss"] for r in read_records(folder / "metrics.jsonl", "train")]

    run(tmp_path / "whole", Recipe(1, 1, 1, noisy=True))
    one_step = replace(SETTINGS, max_minutes=1e-9)
    for expected in range(1, 7):
        random.seed(expected)  # noqa: TID251 - a new process has another state
        np.random.seed(expected)  # noqa: NPY002
        torch.manual_seed(expected)
        assert run(tmp_path / "parts", Recipe(1, noisy=True), one_step).step == expected
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    noise = np.diff(losses(tmp_path / "whole"))
    assert len(np.unique(noise.round(4))) == 5


def test_every_step_has_a_generator_of_its_own(tmp_path):
    recipe = Recipe(1, 1, 1)
    run(tmp_path, recipe)
    expected = [float(torch.rand((), generator=step_generator(0, n, 0))) for n in range(6)]
    assert recipe.drawn == expected
    assert len({*expected}) == 6


def test_every_batch_is_asked_for_by_epoch_and_scene(tmp_path):
    seen = []

    class Watched(Items):
        def __getitem__(self, key):
            seen.append(key)
            return super().__getitem__(key)

    train(Toy, Recipe(1, 1, 1), Watched(), Items(), SETTINGS, tmp_path)
    epochs = [{scene for epoch, scene in seen[:12] if epoch == number} for number in range(3)]
    assert epochs == [{0, 1, 2, 3}] * 3
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))
