"""Scenes hang on their seed and their round, and on nothing else."""

import json

import pytest

from sim.clutter import scene_lists
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_lists import (
    build_round,
    build_scene_list,
    kept_scene_list,
    read_scene_list,
)
from sim.scene.builders import Scene
from sim.workers.jobs import Failed, Ok


@pytest.fixture(scope="module")
def built():
    """Where the bodies of a scene stand, by seed and round; the first one is built twice."""
    keys = [(0, 0), (0, 0), (0, 1), (1, 0), (1, 1)]
    scenes = [json.loads(build_round("packed", "random_urdfs", "test", 2, *key)) for key in keys]
    return [json.dumps(scene["bodies"], sort_keys=True) for scene in scenes]


def test_equal_seeds_and_rounds_give_the_same_scene(built):
    assert built[0] == built[1]


def test_every_seed_and_every_round_has_a_scene_of_its_own(built):
    assert len(set(built[1:])) == 4


def test_scenes_are_asked_for_as_the_settings_say(monkeypatch):
    asked = []

    def run(function, jobs, **options):
        asked.extend(job.kwargs for job in jobs)

    monkeypatch.setattr("sim.clutter.scene_lists.run_jobs", run)
    chosen = {"scales": [0.5, 0.6], "physics": {"friction": [0.4, 0.5]}, "simulator": "mujoco"}
    settings = EvalSettings("pile", objects="limit", split="train", num_objects=3, **chosen)
    assert build_scene_list(settings, [(0, 1), (2, 3)], workers=1) == {}
    chosen |= {"scales": settings.scales, "physics": settings.physics}
    rest = {"scene": "pile", "objects": "limit", "split": "train", "count": 3, **chosen}
    assert asked == [{**rest, "seed": 0, "index": 1}, {**rest, "seed": 2, "index": 3}]


@pytest.fixture
def building(monkeypatch):
    """Stands in for workers: every scene is built but those of the rounds named here."""
    failing, asked = set(), []

    def run(function, jobs, on_result, **options):
        for job in jobs:
            asked.append(job.key)
            if job.key in failing:
                on_result(Failed(job.key, "crash", "gone", "", 2))
            scene = Scene("pile", job.key[0], (), True, (), 5)
            on_result(Ok(job.key, scene.to_json(), 1, 0.1, 0.1))

    monkeypatch.setattr(scene_lists, "run_jobs", run)
    return failing, asked


KEYS = [(0, index) for index in range(4)]


def test_what_was_built_before_a_failure_is_kept(building, tmp_path):
    failing, asked = building
    path, settings = tmp_path / "scenes.json", EvalSettings("pile")
    failing.add((0, 0))
    with pytest.raises(RuntimeError, match="round 0 failed"):
        kept_scene_list(path, settings, KEYS, workers=1)
    assert not path.exists()
    failing.symmetric_difference_update({(0, 0), (0, 2)})
    with pytest.raises(RuntimeError, match="round 2 failed"):
        kept_scene_list(path, settings, KEYS, workers=1)
    assert list(read_scene_list(path, "pile")) == KEYS[:2]
    failing.clear()
    asked.clear()
    assert list(kept_scene_list(path, settings, KEYS, workers=1)) == KEYS
    assert asked == KEYS[2:]
    assert list(read_scene_list(path, "pile")) == KEYS


def test_a_list_is_written_while_it_is_built(building, tmp_path, monkeypatch):
    """A kill leaves no time for anything: what was built is on disk by then."""
    path, found = tmp_path / "scenes.json", []
    write = scene_lists.write_scene_list

    def seen(*arguments):
        write(*arguments)
        found.append(len(read_scene_list(path, "pile")))

    monkeypatch.setattr(scene_lists, "write_scene_list", seen)
    kept_scene_list(path, EvalSettings("pile"), KEYS[:2], workers=1)
    assert found == [2]
    monkeypatch.setattr(scene_lists, "KEPT_EVERY", -1.0)
    kept_scene_list(path, EvalSettings("pile"), KEYS, workers=1)
    assert found == [2, 3, 4, 4]
