"""Episodes that break off, and scenes of demonstrations: nothing of either flatters a policy."""

from types import SimpleNamespace

import pytest

from data_gen import demonstrations
from sim.keyframes import rollout
from sim.keyframes.seeds import DEMONSTRATION, EVALUATION, scene_seed
from sim.keyframes.success_rates import markdown_table, summarise
from sim.keyframes.suite import episode_row
from sim.policy_eval import parser, play_missing
from sim.workers.jobs import Failed, Ok

TASKS = ("open_drawer", "turn_lever", "stack_blocks")


def row(task, index, success=True):
    told = {"task": task, "seed": 0, "index": index, "variation": 0, "sentence": "do it"}
    failure = None if success else "blocked"
    return {**told, "success": success, "failure": failure, "keyframes": 3, "film": []}


def lost(key, reason="crash", kinds=()):
    return Failed(key, reason, "the worker died", "", 2, kinds)


@pytest.mark.parametrize("reason", ["crash", "timeout", "exception"])
def test_an_episode_that_broke_off_has_failed(reason):
    found = episode_row(lost(("turn_lever", 2, 5), reason))
    assert (found["task"], found["seed"], found["index"]) == ("turn_lever", 2, 5)
    assert (found["success"], found["failure"], found["keyframes"]) == (False, reason, 0)
    assert set(found) == set(row("turn_lever", 5))
    with pytest.raises(ValueError, match="the worker died"):
        episode_row(lost(("turn_lever", 2, 5), "exception", ("ValueError", "Exception")))


def test_lost_episodes_are_played_counted_and_told(monkeypatch, tmp_path):
    def play(function, jobs, *, on_result, **options):
        assert function == "sim.keyframes.rollout:play_episode"
        for job in jobs:
            task, _, index = job.key
            broke = index == 1
            on_result(lost(job.key) if broke else Ok(job.key, row(task, index), 1, 1.0, 1.0))

    monkeypatch.setattr("sim.policy_eval.run_jobs", play)
    monkeypatch.setattr("sim.policy_eval.known_tasks", lambda names, env: dict.fromkeys(names, 1))
    arguments = ["--tasks", *TASKS[:2], "--episodes", "4", "--seeds", "1"]
    rows = play_missing(parser().parse_args(arguments), tmp_path)
    summary = summarise(rows)
    assert summary["episodes"] == len(rows) == 8
    assert summary["mean_success"] == 75.0
    for found in summary["tasks"].values():
        assert (found["episodes"], found["success"]) == (4, 75.0)
        assert found["failures"] == {"crash": 1}
    table = markdown_table(summary)
    assert table.count("| 4 | 2.2 | crash 1 |") == 2
    assert "| mean | 75.0 (40.9 to 92.9) | 8 | | |" in table


def test_the_mean_is_over_tasks_whatever_their_episodes():
    rows = [row("a", 0), *(row("b", i, success=False) for i in range(3))]
    assert summarise(rows)["mean_success"] == 50.0


def test_no_scene_of_an_evaluation_is_one_of_a_demonstration():
    numbers = [(seed, task, index) for seed in range(3) for task in TASKS for index in range(50)]
    played = {scene_seed(EVALUATION, *each) for each in numbers}
    shown = {scene_seed(DEMONSTRATION, *each, attempt) for each in numbers for attempt in range(5)}
    assert len(played) == len(numbers)
    assert len(shown) == 5 * len(numbers)
    assert not played & shown


class Seen(Exception):
    """Ends a demonstration or an episode where its scene is chosen."""


def test_either_side_draws_the_scenes_that_are_its_own(monkeypatch):
    asked = {}

    def note(name):
        def stop(*given, **options):
            asked[name] = given
            raise Seen

        return stop

    monkeypatch.setattr(demonstrations, "demonstrate", note("shown"))
    monkeypatch.setattr(demonstrations, "_environment", lambda size: None)
    with pytest.raises(Seen):
        demonstrations.make_episode("nowhere", "turn_lever", 7, 1, 16, "all_variations")
    assert asked["shown"][-1] == scene_seed(DEMONSTRATION, 1, "turn_lever", 7)

    actor = SimpleNamespace(cameras=(), image_size=8)
    monkeypatch.setattr(rollout, "load_policy", lambda policy, **options: actor)
    monkeypatch.setattr(rollout, "_environment", lambda *given: None)
    monkeypatch.setattr(rollout, "_new_scene", note("played"))
    with pytest.raises(Seen):
        rollout.play_episode("oracle", "turn_lever", 1, 7)
    assert asked["played"][3] == scene_seed(EVALUATION, 1, "turn_lever", 7)
    assert asked["played"][3] != asked["shown"][-1]
