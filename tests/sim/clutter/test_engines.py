"""Rounds and scene lists on a Ray cluster are those of this machine."""

import json
import sys

from sim.clutter.protocol import EvalSettings
from sim.clutter.run import run_evaluation
from sim.clutter.scene_lists import build_scene_list
from sim.clutter_eval import main

SETTINGS = EvalSettings(scene="packed", objects="random_urdfs", num_objects=1)
KEYS = [(0, 0), (0, 1)]


def told(path):
    """Rounds without the times that they took."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        record.pop("seconds")
        for attempt in record["attempts"]:
            attempt.pop("timings")
        record.pop("without_grasp", None)
    return sorted(records, key=lambda record: record["round"])


def test_ray_builds_and_plays_the_same_rounds(tmp_path, fake_ray):
    scenes = {}
    for engine in ("local", "ray"):
        scenes = build_scene_list(SETTINGS, KEYS, 1, engine=engine)
        run_evaluation(SETTINGS, scenes, tmp_path / engine, workers=1, engine=engine)
    assert [call for call in fake_ray if isinstance(call, int)] == [2, 2]
    local, ray = (told(tmp_path / engine / "rounds.jsonl") for engine in ("local", "ray"))
    assert local == ray
    assert len(local) == 2


def test_missing_ray_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = ["--scene", "packed", "--model", "antipodal", "--objects", "random_urdfs"]
    arguments += ["--rounds", "1", "--seeds", "1", "--engine", "ray"]
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    assert "pip install 'equigrasp[ray]'" in capsys.readouterr().err
