"""Which simulator runs where: what was asked for, else the published one, else what there is."""

import sys

import pytest

from sim.scene import choice
from sim.scene.choice import choose_simulator, open_world


def installed(monkeypatch, *names):
    monkeypatch.setattr(choice, "find_spec", lambda name: name if name in names else None)


@pytest.mark.parametrize(
    ("there", "asked", "wanted"),
    [
        (("pybullet", "mujoco"), None, "pybullet"),
        (("pybullet", "mujoco"), "mujoco", "mujoco"),
        (("pybullet",), None, "pybullet"),
        (("mujoco",), None, "mujoco"),
        (("mujoco",), "mujoco", "mujoco"),
    ],
)
def test_what_is_asked_for_runs_else_the_published_one(monkeypatch, there, asked, wanted):
    installed(monkeypatch, *there)
    simulator, line = choose_simulator(asked)
    assert simulator == wanted
    told = asked is None and wanted == "mujoco"
    assert bool(line) == told
    if told:
        assert "mujoco" in line
        assert "pybullet" in line
        assert "\n" not in line


def test_what_is_missing_is_named_with_its_line(monkeypatch):
    installed(monkeypatch, "pybullet")
    with pytest.raises(ImportError, match=r"needs mujoco: .*pip install 'equigrasp\[sim\]'"):
        choose_simulator("mujoco")
    installed(monkeypatch)
    with pytest.raises(ImportError, match="pybullet or mujoco"):
        choose_simulator()
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(ImportError, match=r"pip install 'equigrasp\[sim\]'"):
        open_world("mujoco")


def test_unknown_simulators_are_refused():
    for call in (choose_simulator, open_world):
        with pytest.raises(ValueError, match="'gazebo'; choose one of pybullet, mujoco"):
            call("gazebo")
