"""`sim/policy_eval.py --env rlbench`: its workers load the protocol double as their RLBench."""

import json

import pytest
from PIL import Image

from sim.policy_eval import main

POLICY = """
from rlbench.double import SCRIPT
from sim.stage.task import down

class Reach:
    cameras, image_size = ("front",), 8

    def begin(self, sentence, task, seed):
        assert sentence == task.sentences(task.variation)[0]
        assert sentence == f"{task.name.split('_')[0]} {task.name.split('_')[1]} {task.variation}"
        SCRIPT.goal = (0.28, 0.1, 1.05)
        self.x = {"close_jar": 0.28, "push_button_2": 3.0}[task.name]

    def act(self, frame):
        assert frame.images["front"].rgb.shape == (8, 8, 3)
        return down(self.x, 0.1, 0.3), False
"""
TASKS = ["--env", "rlbench", "--tasks", "close_jar", "push_button_2", "--workers", "1"]
TASKS += ["--episodes", "3", "--seeds", "1"]


def test_a_policy_plays_rlbench(double, tmp_path, monkeypatch, capsys):
    (tmp_path / "reaching.py").write_text(POLICY)
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen = ["--policy", "reaching:Reach", "--out", str(tmp_path / "out")]
    assert main([*TASKS, *chosen, "--film", "overhead"]) == 0
    rows = [json.loads(x) for x in (tmp_path / "out" / "episodes.jsonl").read_text().splitlines()]
    found = {(row["task"], row["index"]): row for row in rows}
    for index in range(3):
        won, lost = found["close_jar", index], found["push_button_2", index]
        assert (won["success"], won["failure"], won["variation"]) == (True, None, index)
        assert won["sentence"] == f"close jar {index}"
        assert (lost["failure"], lost["variation"]) == ("unreachable", index % 2)
    with Image.open(tmp_path / "out" / "films" / "close_jar_0_0_success.gif") as film:
        assert film.size == (8, 8)
    assert main([*TASKS[2:], *chosen, "--tasks", "open_drawer"]) == 1
    assert "another policy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "oracle knows no task of RLBench"),
        (["--policy", "any:Policy", "--tasks", "stack_cups"], "PerAct's fork"),
        (["--policy", "any:Policy", "--tasks", "all"], "give peract18"),
    ],
)
def test_impossible_requests_are_named(double, tmp_path, change, message, capsys):
    assert main([*TASKS, "--out", str(tmp_path), *change]) == 1
    assert message in capsys.readouterr().err


def test_without_rlbench_the_sentence_is_printed(no_rlbench, tmp_path, monkeypatch, capsys):
    (tmp_path / "rlbench.py").write_text("raise ModuleNotFoundError('no rlbench here')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main([*TASKS, "--policy", "any:Policy", "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "no rlbench here" in error
    assert "CoppeliaSim 4.1" in error
