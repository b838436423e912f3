"""The objects at the limit: sizes, masses, halves, and that scenes can be made of them."""

import numpy as np
import pytest

from equigrasp.hand import PANDA
from sim.objects import limit
from sim.objects.load import load_objects
from sim.objects.meshes import load_mesh
from sim.objects.sets.limit_set import DEFAULT_COUNT
from sim.scene.kinds import find_kind, scene_kinds


@pytest.mark.parametrize("kind", ["packed", "pile"])
def test_objects_are_wide_heavy_and_watertight(kind):
    rule = find_kind(kind).objects
    objects = load_objects("limit:24", rule, "all")
    scale = limit.SCENE_SCALE[rule.upright]
    for number, spec in enumerate(objects):
        assert load_mesh(spec).is_watertight
        assert limit.MASSES[0] <= spec.mass <= limit.MASSES[1]
        shape = limit.generate(number, rule).shape
        narrow = min(spec.extents[:2]) * scale
        least, most = limit.ACROSS
        most = 2.0 * most if shape == "bowl" else most
        assert least * 0.95 <= narrow <= most * 1.1, shape  # a prism is wider across its corners


def test_some_are_too_wide_for_the_hand_and_most_are_not():
    rule = find_kind("packed").objects
    across = [
        min(limit.generate(i, rule).solid.extents[:2]) * limit.SCENE_SCALE[True] for i in range(60)
    ]
    too_wide = np.mean(np.array(across) > PANDA.opening)
    assert 0.05 < too_wide < 0.4


def test_halves_do_not_overlap_and_validation_is_not_tested_on():
    rule = find_kind("pile").objects
    parts = {
        split: {spec.object_id for spec in load_objects("limit", rule, split)}
        for split in ("train", "val", "test", "all")
    }
    assert len(parts["test"]) == DEFAULT_COUNT // 2
    assert len(parts["val"]) == DEFAULT_COUNT // 20
    assert parts["train"] | parts["val"] | parts["test"] == parts["all"]
    assert sum(map(len, parts.values())) == 2 * len(parts["all"])


def test_the_same_number_gives_the_same_object_whatever_the_count():
    rule = find_kind("packed").objects
    first, again = limit.generate(7, rule), limit.generate(7, rule)
    np.testing.assert_array_equal(first.solid.vertices, again.solid.vertices)
    assert first.mass == again.mass
    assert {s.object_id for s in load_objects("limit:8", rule, "all")} <= {
        s.object_id for s in load_objects("limit:20", rule, "all")
    }


def test_bad_counts_and_numbers_are_refused():
    rule = scene_kinds()["pile"].objects
    with pytest.raises(ValueError, match="limit:none"):
        load_objects("limit:none", rule)
    with pytest.raises(ValueError, match="count from 0"):
        limit.generate(-1, rule)
