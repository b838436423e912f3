"""Kinds of scene: how they are found, and what is particular to one."""

import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sim.objects.load import load_objects
from sim.scene.builders import build_scene
from sim.scene.kinds import find_kind, pile, scene_kinds
from sim.scene.world import World


def test_kinds_are_found_and_keep_their_seed_numbers():
    """Weights and tables refer to the objects behind these numbers."""
    numbers = {name: kind.objects.seed_number for name, kind in scene_kinds().items()}
    assert numbers == {"packed": 0, "pile": 1, "adversarial": 2}
    assert find_kind("pile") is pile.PILE


def test_what_is_no_kind_is_named():
    with pytest.raises(ValueError, match="'heap'; choose one of adversarial, packed, pile"):
        find_kind("heap")
    with pytest.raises(ValueError, match="'a heap'"):
        replace(pile.PILE, name="a heap")


def test_kinds_load_no_simulator():
    code = (
        "import sys; from sim.scene.kinds import scene_kinds; scene_kinds()\n"
        "print(sorted({'pybullet', 'open3d', 'torch', 'trimesh'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


def test_a_pile_loses_no_object_untold(tmp_path):
    objects = load_objects("procedural:30", pile.PILE.objects, "all", tmp_path)
    with World() as world:
        scene = build_scene(pile.PILE, objects, np.random.default_rng(1), 5, world)
    assert len(scene.bodies) + len(scene.lost) == scene.requested == 5


def test_the_box_of_a_pile_has_the_sides_of_the_protocol():
    with World() as world:
        path = world.scratch / "box.urdf"
        path.write_text(pile.box_urdf())
        T = np.eye(4)
        T[:3, 3] = 0.15, 0.15, 0.05
        world.load_urdf(path, T)
        middle = [0.15, 0.15, 0.05 + 0.5 * pile.BOX_HEIGHT]
        for axis, side in itertools.product((0, 1), (0, 1)):
            end = list(middle)
            end[axis] = float(side) - 0.5 * (1 - side)
            inner = world.p.rayTest(middle, end)[0][3][axis]
            assert inner == pytest.approx(pile.BOX_INNER[side], abs=1e-4)
        over = [0.15, 0.15, 0.05 + pile.BOX_HEIGHT + 0.002]
        assert world.p.rayTest(over, [0.5, 0.15, over[2]])[0][0] == -1
        assert world.p.rayTest(middle, [0.15, 0.15, 0.3])[0][0] == -1
