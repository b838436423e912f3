"""Evaluating policies on PushT: the published measure, resuming, and what goes wrong."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import equigrasp
from equigrasp.policy.chunks.chunk_io import pixels
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from sim.pusht.environment import PushT
from sim.pusht.rollouts import Episodes, play_policy
from sim.pusht_eval import main, summarise
from sim.workers.jobs import Failed, Ok
from sim.workers.process import resolve

pytest.importorskip("gym_pusht")
TINY = {"denoiser": "mlp", "channels": 16, "hidden": 16, "layers": 1, "image_widths": (8, 16)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("policy")
    equigrasp.save_model(DiffusionPolicy(**TINY), folder / "model", {})
    return folder


@pytest.fixture
def at_once(monkeypatch):
    """Jobs run in this process, and episodes end after 24 actions."""

    def run(function, jobs, *, on_result, **_):
        for job in jobs:
            try:
                on_result(Ok(job.key, resolve(function)(**job.kwargs), 1, 0.0, 0.0))
            except (ValueError, FileNotFoundError) as error:
                on_result(Failed(job.key, "exception", str(error), "", 1))

    monkeypatch.setattr("sim.pusht_eval.run_jobs", run)
    monkeypatch.setattr("sim.pusht.environment.MAX_STEPS", 24)


def arguments(out, policy="planner", episodes=2):
    common = ["--workers", "1", "--out", str(out), "--policy", str(policy), "--steps", "2"]
    return [*common, "--episodes", str(episodes)]


def test_the_planner_succeeds_and_is_filmed_and_not_played_twice(tmp_path, capsys):
    command = [*arguments(tmp_path, episodes=1), "--film"]
    assert main(command) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["score"], summary["success"], summary["episodes"]) == (100, 100, 1)
    assert "| planner | 100.0 +- 0.0 |" in capsys.readouterr().out
    with Image.open(tmp_path / "films" / "100000_success.gif") as film:
        assert film.n_frames >= 2
        assert film.size == (192, 192)
    before = (tmp_path / "episodes.jsonl").read_text()
    assert main(command) == 0
    assert (tmp_path / "episodes.jsonl").read_text() == before


def test_an_interrupted_evaluation_ends_with_the_same_results(saved, at_once, tmp_path, capsys):
    assert main(arguments(tmp_path, saved)) == 0
    log = tmp_path / "episodes.jsonl"
    rows = log.read_text().splitlines()
    summary = (tmp_path / "summary.json").read_text()
    log.write_text(rows[0] + "\n" + rows[1][:20])
    assert main(arguments(tmp_path, saved)) == 0
    again = json.loads((tmp_path / "summary.json").read_text())
    assert again["score"] == pytest.approx(json.loads(summary)["score"], abs=0.1)
    assert main([*arguments(tmp_path, saved), "--sampler", "ddpm"]) == 1
    assert "another policy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--episodes", "0"], "at least 1"),
        (["--policy", "absent"], "no model at"),
        (["--policy", "mini_diffuser_tasks"], "needed is a diffusion_policy"),
        (["--steps", "200"], "steps is 200"),
    ],
)
def test_impossible_requests_are_named(saved, at_once, tmp_path, change, message, capsys):
    assert main([*arguments(tmp_path, saved, 1), *change]) == 1
    assert message in capsys.readouterr().err


def test_a_chunk_is_played_as_single_actions_are():
    policy = DiffusionPolicy(**TINY)
    episodes, alone = Episodes([7], policy), PushT()
    alone.reset(7)
    actions = np.random.default_rng(0).uniform(100, 400, (1, 8, 2))
    episodes.play([0], actions)
    coverage = [alone.step(action).coverage for action in actions[0]]
    assert episodes.all[0].coverage == coverage
    seen = episodes.seen([0])
    latest = alone._seen()
    np.testing.assert_allclose(pixels(seen.state)[0, 1], latest.state, rtol=1e-5)
    assert seen.state.shape == (1, 2, 18)


def test_pictures_are_those_of_the_agents_last_two_moments():
    policy = DiffusionPolicy(sees="image", **TINY)
    episodes = Episodes([7, 8], policy)
    first = episodes.seen([1])
    assert torch.equal(first.image[0, 0], first.image[0, 1])
    episodes.play([1], np.full((1, 3, 2), 100.0))
    then = episodes.seen([1])
    assert then.image.shape == (1, 2, 3, 96, 96)
    assert not torch.equal(then.image[0, 0], then.image[0, 1])
    assert not torch.equal(then.image[0, 1], first.image[0, 1])


def test_episodes_do_not_depend_on_their_company(at_once):
    torch.manual_seed(0)
    policy = DiffusionPolicy(**TINY).eval()
    together = play_policy(policy, [3, 4], steps=2)
    alone = play_policy(policy, [4], steps=2)
    np.testing.assert_allclose(together[1].coverage[:8], alone[0].coverage[:8], atol=1e-4)
    assert len(together[0].coverage) == 24
    assert together[1].score == pytest.approx(min(1, max(together[1].coverage) / 0.95))


def test_means_are_over_episodes():
    rows = [
        {"score": 1.0, "coverage": 0.96, "success": True, "steps": 100},
        {"score": 0.5, "coverage": 0.475, "success": False, "steps": 300},
    ]
    found = summarise(rows)
    assert (found["score"], found["success"], found["steps"]) == (75, 50, 200)
    assert found["coverage"] == pytest.approx(71.75)
    assert found["score_error"] == pytest.approx(1.96 * 25 * 2**0.5 / 2**0.5)
