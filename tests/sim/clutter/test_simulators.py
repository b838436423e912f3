"""Rounds in either simulator: settings say which, results do not mix, rehearsals come true."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from sim.clutter.planners.oracle import OraclePlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene
from sim.clutter.run import SettingsMismatchError, run_evaluation
from sim.clutter.scene_lists import build_round, read_scene_list, write_scene_list
from sim.scene.builders import Scene

OBJECTS = "procedural:40"
SETTINGS = EvalSettings(scene="packed", objects=OBJECTS, noise="none", simulator="mujoco")


@pytest.fixture(scope="module")
def scene():
    return Scene.from_json(
        build_round("packed", OBJECTS, "all", 3, 0, 1, simulator=SETTINGS.simulator)
    )


class Foretelling:
    """Plans as the oracle does, and rehearses its choice."""

    def __init__(self):
        self.oracle, self.foretold = OraclePlanner(), []

    def plan(self, seen):
        plan = self.oracle.plan(seen)
        if plan.grasps:
            self.foretold.append(seen.rehearse(plan.grasps[0]))
            assert seen.rehearse.simulator == seen.world.simulator == "mujoco"
        return plan


def test_the_oracle_clears_a_packed_scene_as_it_rehearses(scene):
    played, planner = Round(SETTINGS, scene, 0, 1), Foretelling()
    with played.laid_out() as world:
        record = clear_scene(world, played, planner)
    assert [a["success"] for a in record["attempts"]] == [f.success for f in planner.foretold]
    assert [a["width"] for a in record["attempts"]]
    assert [a["object"] for a in record["attempts"]] == [f.lifted for f in planner.foretold]
    assert sum(a["success"] for a in record["attempts"]) >= 2


def test_the_same_round_ends_the_same(scene):
    records = []
    for _ in range(2):
        played = Round(SETTINGS, scene, 0, 1)
        with played.laid_out() as world:
            record = clear_scene(world, played, OraclePlanner())
        records.append([(a["object"], a["pose"], a["fate"]) for a in record["attempts"]])
    assert records[0] == records[1]


def test_a_round_in_mujoco_needs_nothing_of_pybullet():
    settings = replace(SETTINGS, model="antipodal", num_objects=2)
    code = (
        "import json, sys\n"
        "for name in ('pybullet', 'pybullet_data', 'pybullet_utils'):\n"
        "    sys.modules[name] = None  # importing it now fails\n"
        "from equigrasp.hand import PANDA\n"
        "from sim.clutter.story import play_story\n"
        "settings = json.loads(sys.argv[1])\n"
        "print(len(play_story(settings, 0, 0, PANDA.to_dict(folders=True)).looks))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, json.dumps(settings.to_dict())],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[-1]) >= 1


def test_results_of_two_simulators_do_not_mix(tmp_path):
    bullet = replace(SETTINGS, simulator="pybullet")
    run_evaluation(bullet, {}, tmp_path)
    with pytest.raises(SettingsMismatchError, match="simulator='pybullet' .now 'mujoco'"):
        run_evaluation(SETTINGS, {}, tmp_path)
    with pytest.raises(ValueError, match="'gazebo'; choose one of pybullet, mujoco"):
        replace(SETTINGS, simulator="gazebo")


def test_results_of_before_are_of_pybullet(tmp_path):
    bullet = replace(SETTINGS, simulator="pybullet")
    run_evaluation(bullet, {}, tmp_path)
    path = tmp_path / "settings.json"
    values = json.loads(path.read_text())
    assert values.pop("simulator") == "pybullet"
    path.write_text(json.dumps(values))
    run_evaluation(bullet, {}, tmp_path)
    with pytest.raises(ValueError, match="simulator"):
        run_evaluation(SETTINGS, {}, tmp_path)


def test_scene_lists_say_who_built_them_and_can_be_replayed_elsewhere(tmp_path):
    path = tmp_path / "scenes.json"
    write_scene_list(path, SETTINGS, {})
    assert read_scene_list(path, "packed") == read_scene_list(path, "packed", "mujoco") == {}
    with pytest.raises(ValueError, match=r"built with mujoco.* is of pybullet; .*--scene-list"):
        read_scene_list(path, "packed", "pybullet")
    values = json.loads(path.read_text())
    del values["simulator"]
    path.write_text(json.dumps(values))
    assert read_scene_list(path, "packed", "pybullet") == {}
