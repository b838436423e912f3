"""The blobs of pybullet_data: what is kept of one, and which can be used."""

from dataclasses import replace

import pytest
import trimesh

from sim.objects.rule import StandingSizes
from sim.objects.sets import random_urdfs
from sim.scene.kinds import find_kind

PACKED, PILE = RULES = tuple(find_kind(name).objects for name in ("packed", "pile"))


def test_parts_adrift_are_dropped():
    def bar(x):
        return trimesh.creation.box(
            (1, 1, 1), trimesh.transformations.translation_matrix((x, 0, 0))
        )

    kept = random_urdfs.touching_cluster([bar(0), bar(5), bar(1.02), bar(9)])
    assert [part.bounds[0][0] for part in kept] == pytest.approx([-0.5, 0.52])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.folder)
def test_tables_of_usable_blobs_are_what_the_rule_gives(rule, tmp_path):
    numbers = {*range(0, 1000, 67), 168, 295, 297, 824}
    tried = random_urdfs.try_out(rule, numbers)
    assert set(tried) == numbers & random_urdfs.usable_numbers(rule, tmp_path)


def test_blobs_are_tried_out_once_for_sizes_without_a_table(tmp_path, monkeypatch):
    low = replace(PACKED, sizes=StandingSizes(narrow=0.06, wide=0.1, heights=(0.03, 0.1)))
    monkeypatch.setattr(random_urdfs, "COUNT", 6)
    found = random_urdfs.load(low, tmp_path)
    assert {spec.object_id for spec in found} > {
        spec.object_id for spec in random_urdfs.load(PACKED, tmp_path)[:2]
    }
    monkeypatch.setattr(random_urdfs, "try_out", None)
    assert random_urdfs.load(low, tmp_path) == found
    for spec in found:
        assert 0.03 - 1e-4 <= spec.extents[2] <= 0.1001
