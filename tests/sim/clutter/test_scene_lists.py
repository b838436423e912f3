"""Scenes hang on their seed and their round, and on nothing else."""

import json

import pytest

from sim.clutter.scene_lists import build_round


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
