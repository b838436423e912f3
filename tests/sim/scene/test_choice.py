"""Which simulator runs where: what was asked for, else the published one, else what there is."""

import sys

import pytest

from sim.scene import choice
from sim.scene.choice import choose, objects_at_hand, open_world
from sim.scene.kinds import find_kind

RULE = find_kind("pile").objects
ALL = ("pybullet", "pybullet_data", "mujoco")


def installed(monkeypatch, *names):
    monkeypatch.setattr(choice, "find_spec", lambda name: name if name in names else None)


@pytest.mark.parametrize(
    ("there", "asked", "wanted"),
    [
        (ALL, None, "pybullet"),
        (ALL, "mujoco", "mujoco"),
        (ALL[:2], None, "pybullet"),
        (ALL[2:], None, "mujoco"),
        (ALL[2:], "mujoco", "mujoco"),
    ],
)
def test_what_is_asked_for_runs_else_the_published_one(monkeypatch, there, asked, wanted):
    installed(monkeypatch, *there)
    chosen = choose(asked, "procedural", RULE)
    assert (chosen.simulator, chosen.objects) == (wanted, "procedural")
    told = asked is None and wanted == "mujoco"
    assert chosen.line == ("pybullet is not installed: simulated with mujoco" if told else "")


def test_without_pybullets_files_the_default_objects_are_written_out(monkeypatch):
    installed(monkeypatch, *ALL)
    assert objects_at_hand("default", RULE) == "default"
    installed(monkeypatch, "mujoco")
    chosen = choose(None, "default", RULE)
    assert chosen.objects == "procedural"
    assert "--objects default means procedural" in chosen.line
    assert "\n" not in chosen.line
    assert objects_at_hand("default@0.5kg, my/folder", RULE) == "procedural@0.5kg,my/folder"
    assert objects_at_hand("random_urdfs", RULE) == "random_urdfs"  # asked for by name: refused
    assert objects_at_hand("default", find_kind("adversarial").objects) == "adversarial"


def test_what_is_missing_is_named_with_its_line(monkeypatch):
    installed(monkeypatch, "pybullet")
    with pytest.raises(ImportError, match=r"needs mujoco: pip install 'equigrasp\[sim\]'"):
        choose("mujoco", "procedural", RULE)
    installed(monkeypatch)
    with pytest.raises(ImportError, match="pybullet or mujoco"):
        choose(None, "procedural", RULE)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(ImportError, match=r"pip install 'equigrasp\[sim\]'"):
        open_world("mujoco")


def test_unknown_simulators_are_refused():
    with pytest.raises(ValueError, match="'gazebo'; choose one of pybullet, mujoco"):
        choose("gazebo", "procedural", RULE)
    with pytest.raises(ValueError, match="'gazebo'; choose one of pybullet, mujoco"):
        open_world("gazebo")
