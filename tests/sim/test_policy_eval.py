"""Evaluating policies on the task suite: results, resuming, and what goes wrong."""

import json
import sys
from dataclasses import asdict

import pytest
import torch
from PIL import Image

import equigrasp
from data_gen.demos import main as make_demos
from equigrasp.policy.episodes.files import find_episodes
from equigrasp.policy.keyframes.clouds import CloudSettings
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.vocabulary import Vocabulary
from sim.keyframes.rollout import FAILURES
from sim.keyframes.success_rates import interval, summarise
from sim.policy_eval import main, parser, wanted_tasks

SMALL = ["--tasks", "open_drawer", "turn_lever", "--episodes", "2", "--seeds", "1"]
SMALL += ["--workers", "1"]


def lines(out):
    return (out / "episodes.jsonl").read_text().splitlines()


def test_the_script_succeeds_is_filmed_and_is_not_played_twice(tmp_path, capsys):
    arguments = [*SMALL, "--film", "front", "--out", str(tmp_path)]
    assert main(arguments) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["mean_success"] == 100
    assert summary["episodes"] == 4
    assert "| open_drawer | 100.0 (34.2 to 100.0) | 2 | 3.0 | - |" in capsys.readouterr().out
    with Image.open(tmp_path / "films" / "open_drawer_0_1_success.gif") as film:
        assert film.n_frames == 4
    before = lines(tmp_path)
    torn = tmp_path / "episodes.jsonl"
    torn.write_text("\n".join(before[:-1]) + "\n" + before[-1][:30] + "\n")
    assert main(arguments) == 0
    assert sorted(lines(tmp_path)[-1:]) == sorted(before[-1:])
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_a_users_policy_is_played_and_its_failures_told_apart(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.py").write_text(
        """
import numpy as np
from sim.stage.task import down

class Stray:
    cameras, image_size = ("front",), 16

    def begin(self, sentence, task, seed):
        assert sentence.startswith(("open", "turn"))
        self.where = {"open_drawer": down(3, 0, 0.1), "turn_lever": None}[task.name]

    def act(self, frame):
        assert frame.images["front"].rgb.shape == (16, 16, 3)
        return None if self.where is None else (self.where, True)

class Idler(Stray):
    def act(self, frame):
        return frame.state.gripper_matrix, True

class Pusher(Stray):
    def begin(self, sentence, task, seed):
        x, y, _ = task.stage.position(task.chest) if task.name == "open_drawer" else (0, 0, 0)
        self.where = down(x - 0.05, y, 0.1) if x else None
"""
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, why in (
        ("Stray", ["unreachable", "gave_up"]),
        ("Idler", ["too_long"] * 2),
        ("Pusher", ["blocked", "gave_up"]),
    ):
        out = tmp_path / name
        assert main([*SMALL, "--policy", f"mine:{name}", "--out", str(out)]) == 0
        tasks = json.loads((out / "summary.json").read_text())["tasks"]
        assert [found["failures"] for found in tasks.values()] == [{w: 2} for w in why]
    assert main([*SMALL, "--out", str(tmp_path / "Idler")]) == 1
    assert "another policy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--tasks", "dance"], "no task 'dance'"),
        (["--policy", "clever"], "MODULE:CLASS"),
        (["--policy", "nowhere:Policy"], "nowhere"),
        (["--episodes", "0"], "at least 1"),
    ],
)
def test_impossible_requests_are_named(tmp_path, change, message, capsys):
    assert main([*SMALL, "--out", str(tmp_path), *change]) == 1
    assert message in capsys.readouterr().err


def test_rates_and_intervals():
    rows = [
        {"task": t, "success": s, "failure": None if s else "blocked", "keyframes": 4}
        for t, s in (("a", True), ("a", True), ("b", True), ("b", False))
    ]
    summary = summarise(rows)
    assert summary["mean_success"] == 75
    assert summary["tasks"]["b"]["failures"] == {"blocked": 1}
    low, high = interval(99, 100)
    assert (round(low, 1), round(high, 1)) == (94.6, 99.8)


def save_untrained(folder):
    policy = MiniDiffuser(
        Vocabulary(["press"]), widths=(24, 48), channels=24, head_channels=12, patch=16
    )
    cloud = asdict(CloudSettings(points=64))
    card = {"cameras": ["front"], "image_size": 16, "cloud": cloud}
    equigrasp.save_model(policy, folder / "model", card)


def test_a_trained_policy_is_played_and_known_by_its_weights(tmp_path, capsys):
    torch.manual_seed(0)
    for name in ("first", "second"):
        save_untrained(tmp_path / name)
    chosen = ["--policy", str(tmp_path / "first"), "--out", str(tmp_path / "out")]
    assert main([*SMALL, *chosen, "--candidates", "2", "--steps", "2"]) == 0
    rows = [json.loads(x) for x in (tmp_path / "out" / "episodes.jsonl").read_text().splitlines()]
    for row in rows:  # even a policy that knows nothing may turn a lever by chance
        assert row["success"] == (row["failure"] is None)
        assert row["failure"] in (None, *FAILURES)
        assert row["keyframes"] >= 1
    assert len(rows) == 4
    for suffix in ("json", "safetensors"):
        other = (tmp_path / "second" / f"model.{suffix}").read_bytes()
        (tmp_path / "first" / f"model.{suffix}").write_bytes(other)
    assert main([*SMALL, *chosen, "--candidates", "2", "--steps", "2"]) == 1
    assert "another policy" in capsys.readouterr().err


def test_all_are_the_tasks_that_a_policy_learned(tmp_path):
    card = {"config": {}, "tasks": ["turn_lever"]}
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "model.safetensors").write_bytes(b"")
    trained = ["--policy", str(tmp_path)]
    for given, expected in (
        ([], ["all"]),
        (trained, ["turn_lever"]),
        ([*trained, "--tasks", "open_drawer"], ["open_drawer"]),
        ([*trained, "--env", "rlbench"], ["all"]),
        (["--policy", "mine:Policy"], ["all"]),
    ):
        assert wanted_tasks(parser().parse_args(given)) == expected
    assert len(wanted_tasks(parser().parse_args(["--policy", "mini_diffuser_tasks"]))) == 10
    with pytest.raises(ValueError, match="MODULE:CLASS"):
        wanted_tasks(parser().parse_args(["--policy", str(tmp_path / "none")]))


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos")
    made = ["--tasks", "turn_lever", "--episodes", "2", "--image-size", "8", "--workers", "1"]
    assert make_demos([*made, "--out", str(folder)]) == 0
    return folder


def test_scenes_of_demonstrations_are_played(demos, tmp_path, capsys):
    chosen = ["--tasks", "turn_lever", "--episodes", "9", "--seeds", "1", "--workers", "1"]
    chosen += ["--out", str(tmp_path)]
    assert main([*chosen, "--demos", str(demos)]) == 0
    rows = [json.loads(line) for line in lines(tmp_path)]
    episodes = find_episodes(demos, ["turn_lever"])
    assert len(rows) == len(episodes) == 2
    for row, episode in zip(rows, episodes, strict=True):
        assert row["success"]
        assert row["variation"] == episode.variation
        assert row["sentence"] == episode.descriptions[0]
    assert main(chosen) == 1
    assert "another policy" in capsys.readouterr().err


def test_scenes_must_be_there(demos, tmp_path, capsys):
    where = ["--out", str(tmp_path / "out"), "--demos"]
    assert main([*SMALL, *where, str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert main([*SMALL, *where, str(demos)]) == 1
    assert "open_drawer" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["oracle", "mine"])
def test_ray_plays_the_same_episodes(policy, tmp_path, fake_ray, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_untrained(tmp_path / "mine")
    arguments = ["--tasks", "turn_lever", "--episodes", "2", "--seeds", "1", "--workers", "1"]
    arguments += ["--policy", policy, "--candidates", "2", "--steps", "2"]
    for engine in ("local", "ray"):
        assert main([*arguments, "--engine", engine, "--out", str(tmp_path / engine)]) == 0
    assert fake_ray[1:] == [2, "shutdown"]
    local, ray = (sorted(lines(tmp_path / engine)) for engine in ("local", "ray"))
    assert local == ray


def test_what_is_held_out_is_told_beside_the_mean_and_kept_apart(tmp_path, capsys):
    arguments = ["--tasks", "turn_lever", "--episodes", "1", "--seeds", "1", "--workers", "1"]
    arguments += ["--out", str(tmp_path)]
    assert main([*arguments, "--held-out", "sentences", "camera"]) == 0
    table = capsys.readouterr().out
    assert "| mean | 100.0 (20.7 to 100.0) | 1 | | |" in table
    assert "| held out: camera | 100.0 (20.7 to 100.0) | 1 | | |" in table
    (row,) = (json.loads(line) for line in lines(tmp_path / "held_out_sentences"))
    assert row["sentence"].startswith("kindly rotate the ")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["held_out"]) == {"sentences", "camera"}
    assert main(arguments) == 0
    assert "held out" not in capsys.readouterr().out
    for wrong in (["--env", "rlbench", "--policy", "a:B"], ["--demos", "demos"]):
        assert main([*arguments, "--held-out", "camera", *wrong]) == 1
        assert "new scenes of --env pybullet" in capsys.readouterr().err


def test_missing_ray_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*SMALL, "--engine", "ray", "--out", str(tmp_path)]) == 1
    assert "pip install 'equigrasp[ray]'" in capsys.readouterr().err
