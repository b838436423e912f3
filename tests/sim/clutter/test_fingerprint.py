"""Nothing that decides an outcome is left out of the fingerprint, and nothing else is in it."""

import json
import shutil
import subprocess
import sys

import pytest

from equigrasp.weights import find_weights
from sim.clutter.fingerprint import chosen_modules, deciding_sources, fingerprint
from sim.clutter.scene_lists import build_round

WATCHED = """
import json, sys
from equigrasp.hand import PANDA
from equigrasp.registry import model_classes
from sim.clutter.planners import planner_names
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import run_round
from sim.scene.kinds import scene_kinds

model_classes(), planner_names()  # looking through what there is runs no code of what is not chosen
settings = EvalSettings(scene="packed", objects="random_urdfs", num_objects=1, model=sys.argv[1])
ran = set()

def watch(frame, event, argument):
    # Every planner is asked whether `--model` means it; that is no part of an outcome.
    if event == "call" and frame.f_code.co_name not in ("<module>", "takes"):
        ran.add(frame.f_globals.get("__name__", ""))

sys.setprofile(watch)
record = run_round(settings.to_dict(), sys.stdin.read(), 0, 0, PANDA.to_dict())
sys.setprofile(None)
print(json.dumps([sorted(sys.modules), sorted(ran), len(record["attempts"])]))
"""


def of_the_project(names):
    return {name for name in names if name.split(".")[0] in ("equigrasp", "sim", "data_gen")}


@pytest.fixture(scope="module")
def scene():
    return build_round("packed", "random_urdfs", "test", 1, 0, 0)


@pytest.mark.parametrize("model", ["antipodal", "oracle", "equiigd_packed"])
def test_what_ran_in_a_round_is_in_the_fingerprint(model, scene):
    command = [sys.executable, "-W", "ignore", "-c", WATCHED, model]
    finished = subprocess.run(command, input=scene, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    loaded, ran, attempts = json.loads(finished.stdout.splitlines()[-1])
    chosen = chosen_modules(model, "packed")
    mine, every = set(deciding_sources(*chosen)), set(deciding_sources())
    assert attempts > 0
    assert of_the_project(ran) <= mine
    assert of_the_project(loaded) <= every
    assert chosen <= mine


def test_the_list_is_of_what_decides():
    sources = deciding_sources(*chosen_modules("antipodal", "packed"))
    assert {
        "equigrasp.grasp",
        "equigrasp.hand",
        "equigrasp.perception.rectify",
        "sim.clutter.rounds",
        "sim.grasping.gripper",
        "sim.grasping.trial",
        "sim.objects.load",
        "sim.scene.renderer",
        "sim.scene.world",
    } <= set(sources)
    assert "sim.scene.kinds.packed" in sources
    others = ("kinds.pile", "planners.oracle", "planners.model", "tests", "training", "sim.tasks")
    assert not [name for name in sources if any(other in name for other in others)]


def test_a_change_of_any_of_them_changes_it(monkeypatch):
    from sim.clutter import fingerprint as module

    before = fingerprint("antipodal", "packed")
    sources = dict(module._project())
    touched = sources["equigrasp.grasp"]
    sources["equigrasp.grasp"] = touched._replace(text=touched.text + "\n")
    monkeypatch.setattr(module, "_project", lambda: sources)
    assert fingerprint("antipodal", "packed") != before


def test_weights_and_card_count_and_their_place_does_not(tmp_path):
    for file in find_weights("equigiga_packed"):
        shutil.copy(file, tmp_path / f"mine{file.suffix}")
    same = fingerprint(str(tmp_path / "mine"), "packed")
    assert same == fingerprint("equigiga_packed", "packed")
    assert same.count("-") == 1
    assert "-" not in fingerprint("antipodal", "packed")
    found = {same}
    for ending in ("safetensors", "json"):
        with open(tmp_path / f"mine.{ending}", "ab") as stream:
            stream.write(b" ")
        found.add(fingerprint(str(tmp_path / "mine"), "packed"))
    assert len(found) == 3


def test_another_model_planner_or_scene_is_other_code():
    names = ("antipodal", "oracle", "equigiga_pile", "equiigd_pile")
    codes = [fingerprint(name, "packed").split("-")[0] for name in names]
    codes.append(fingerprint("antipodal", "pile"))
    assert len(set(codes)) == 5
    assert codes[2] == fingerprint("equigiga_packed", "packed").split("-")[0]


def test_weights_that_are_not_there():
    with pytest.raises(FileNotFoundError):
        fingerprint("no_such_weights", "packed")
