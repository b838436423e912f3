"""Data are made of training objects unless somebody says otherwise."""

import pytest

from data_gen import generate
from data_gen.command import build_parser
from data_gen.settings import DataDesign, SceneSettings
from sim.scene.kinds import find_kind


def test_the_split_is_train_by_default():
    assert SceneSettings().split == "train"
    assert build_parser(find_kind("pile")).get_default("split") == "train"


@pytest.mark.parametrize("split", ["train", "val"])
def test_scenes_and_manifests_take_objects_of_that_split(split, monkeypatch):
    asked = []

    def load(names, rule, wanted, report):
        asked.append((names, rule, wanted))
        return []

    monkeypatch.setattr(generate, "load_objects", load)
    settings = SceneSettings(objects="limit", split=split)
    design = DataDesign(find_kind("packed"), 3, settings)
    generate.load_object_set.cache_clear()
    generate.load_object_set(design)
    generate.describe_run(design)
    generate.load_object_set.cache_clear()
    assert asked == [("limit", find_kind("packed").objects, split)] * 2
