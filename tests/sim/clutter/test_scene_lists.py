"""Scenes hang on their seed and their round, and on nothing else."""

import json

import pytest

from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_lists import build_round, build_scene_list


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
