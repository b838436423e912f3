"""Adding a kind of scene is adding a file: it is found, builds scenes and makes a data set."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from equigrasp.data.scene_files import read_scene
from equigrasp.data.verify import verify

ROOT = Path(__file__).parents[2]
ROW = '''
"""Rows: objects standing along a line."""

import numpy as np

from sim.objects.rule import ObjectRule, StandingSizes
from sim.scene.builders import add_object, settle, upright_pose
from sim.scene.kind import SceneKind


def build(world, objects, rng, count):
    for x in np.linspace(0.08, 0.22, min(count, 3)):
        spec = objects[int(rng.integers(len(objects)))]
        foot = np.array([x, 0.15, world.workspace.table_height + 0.002])
        add_object(world, spec, 0.6, upright_pose(spec, foot, np.pi / 2, 0.6))
    return settle(world)


ALONG = SceneKind(
    name="along",
    description="objects standing along a line",
    objects=ObjectRule(
        folder="packed",
        seed_number=21,
        sizes=StandingSizes(narrow=0.06, wide=0.09, heights=(0.04, 0.2)),
        families={"can": 1, "carton": 2},
    ),
    build=build,
)
'''
OBJECTS = """
import json
from sim.objects import procedural
from sim.scene.kinds import scene_kinds

print(json.dumps({
    name: [procedural.generate(i, kind.objects).solid.vertices.sum(axis=0).tolist() for i in (0, 5)]
    for name, kind in scene_kinds().items()
}))
"""


def python(folder, *arguments):
    """Run Python with the modules of a folder; what it prints."""
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], capture_output=True, text=True, cwd=folder
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_new_kind_is_one_file_and_changes_no_other(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    shutil.copytree(ROOT / "sim", tmp_path / "sim")
    for name in ("data_gen", "equigrasp", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    before = json.loads(python(tmp_path, "-c", OBJECTS))
    (tmp_path / "sim" / "scene" / "kinds" / "along.py").write_text(ROW)
    after = json.loads(python(tmp_path, "-c", OBJECTS))
    assert list(after) == ["adversarial", "along", "packed", "pile"]
    assert {name: after[name] for name in before} == before

    sizes = ["--grasps-per-scene", "6", "--occupancy-points", "100", "--workers", "1"]
    arguments = ["-m", "data_gen", "along", "--scenes", "2", "--out", "set", *sizes]
    printed = python(tmp_path, *arguments, "--objects", "procedural:20", "--num-objects", "3")
    assert "set: 2 scenes" in printed
    assert verify(tmp_path / "set") == []
    for path in (tmp_path / "set" / "scenes").iterdir():
        record = read_scene(path)
        assert record.kind == "along"
        assert len(record.object_id) >= 2
