"""One more hand, scene kind, model and planner: one file each, or two with its options, end to end.

Each is added to a copy of the source tree that is otherwise as it stands, and run there with the
programs that people use. Tasks and policies are added in `tests/sim/tasks/test_discovery.py` and
`tests/equigrasp/policy/models/test_discovery.py`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from equigrasp.data.synthetic import write_synthetic_data_set
from sim.clutter.fingerprint import fingerprint

ROOT = Path(__file__).parents[1]
OBJECTS = ("--objects", "procedural:6", "--split", "all")

HAND = """
name: tongs
opening: 0.06
finger_depth: 0.05
tcp_from_base: 0.1
palm_box: {lower: [-0.03, -0.06, -0.1], upper: [0.03, 0.06, -0.05]}
finger_box: {lower: [-0.01, 0.0, -0.05], upper: [0.01, 0.01, 0.0]}
"""

KIND = '''
"""Two objects, far apart."""

import numpy as np

from sim.objects.rule import ObjectRule, StandingSizes
from sim.scene.builders import add_object, settle
from sim.scene.kind import SceneKind


def build(world, objects, rng, count):
    """Stand objects in opposite corners."""
    for place in (0.09, 0.21)[:count]:
        T = np.eye(4)
        T[:3, 3] = place, place, world.workspace.table_height
        add_object(world, objects[int(rng.integers(len(objects)))], 1.0, T)
    return settle(world)


PAIR = SceneKind(
    name="pair",
    description="two objects far apart",
    objects=ObjectRule(
        folder="packed",
        seed_number=77,
        sizes=StandingSizes(narrow=0.06, wide=0.1, heights=(0.04, 0.12)),
        families={"block": 1, "can": 1},
    ),
    build=build,
)
'''

MODEL = '''
"""A model that looks at one voxel."""

from typing import ClassVar

import torch
from torch import nn

from equigrasp.hand import PANDA
from equigrasp.models.base import GRASP_OUTPUTS, GraspField, GraspModel, check_points
from equigrasp.options import records_options


@records_options()
class Glance(GraspModel):
    """Linear in the point and the mean of the scene.

    Args:
        width: channels.
        hand: see `GraspModel`.
    """

    name: ClassVar[str] = "glance"
    outputs: ClassVar[tuple[str, ...]] = GRASP_OUTPUTS

    def __init__(self, width=4, hand=PANDA):
        super().__init__(40, "full", 0.05, hand)
        self.layers = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 8))

    def encode(self, tsdf):
        self.check_tsdf(tsdf)
        return (tsdf.mean((1, 2, 3)),)

    def query_raw(self, features, points, outputs=GRASP_OUTPUTS):
        check_points(points, outputs, self.outputs)
        fill = features[0][:, None, None].expand(*points.shape[:2], 1)
        quality, rows, width = self.layers(torch.cat([points, fill], -1)).split((1, 6, 1), -1)
        found = {
            "quality": quality.squeeze(-1),
            "rotation": rows.unflatten(-1, (2, 3)),
            "width": self.hand.opening * torch.sigmoid(width.squeeze(-1)),
        }
        return GraspField(**{name: found[name] for name in outputs})
'''

OPTIONS = """
_target_: equigrasp.models.glance.Glance
width: 4
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The source tree with links in place of files."""
    tree = tmp_path_factory.mktemp("house")
    for folder in ("equigrasp", "sim", "data_gen", "configs"):
        skipped = shutil.ignore_patterns("__pycache__", "policies")
        shutil.copytree(ROOT / folder, tree / folder, copy_function=os.symlink, ignore=skipped)
    return tree


@pytest.fixture
def house(tree, tmp_path):
    """The tree, what runs programs there, and a folder for what they write."""
    house = House(tree, tmp_path)
    yield house
    for path in house.added:
        path.unlink()


class House:
    """A source tree that something is added to."""

    def __init__(self, tree, out):
        self.tree, self.out, self.added = tree, out, []

    def add(self, path, text):
        assert not (self.tree / path).exists()
        self.added.append(self.tree / path)
        self.added[-1].write_text(text)

    def run(self, *arguments):
        """Run Python there; what it printed."""
        path = os.pathsep.join([str(self.tree), os.environ.get("PYTHONPATH", "")])
        finished = subprocess.run(
            [sys.executable, "-W", "ignore", *map(str, arguments)],
            cwd=self.tree,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout

    def make_data(self, kind, *arguments):
        """A data set of one scene; its manifest."""
        options = ["--scenes", 1, "--grasps-per-scene", 8, "--workers", 1, "--num-objects", 2]
        options += [*OBJECTS, "--out", self.out / "data"]
        self.run("-m", "data_gen", kind, *options, *arguments)
        assert len(list((self.out / "data" / "scenes").glob("*.npz"))) == 1
        return json.loads((self.out / "data" / "manifest.json").read_text())

    def evaluate(self, scene, model, *arguments):
        """One round of clutter; its summary and its settings."""
        options = ["--rounds", 1, "--seeds", 1, "--num-objects", 2, "--workers", 1]
        options += [*OBJECTS, "--noise", "none", "--table-rectify", "on"]
        options += ["--out", self.out, "--scene", scene, "--model", model]
        self.run("sim/clutter_eval.py", *options, *arguments)
        names = ("summary.json", "settings.json")
        return [json.loads((self.out / "rectified" / name).read_text()) for name in names]


def test_a_hand_is_a_file(house):
    house.add("configs/hand/tongs.yaml", HAND)
    assert house.make_data("packed", "--hand", "tongs")["hand"]["name"] == "tongs"
    summary, settings = house.evaluate("packed", "antipodal", "--hand", "tongs")
    assert summary["attempts"] > 0
    assert settings["hand"]["opening"] == 0.06


def test_a_scene_kind_is_a_file(house):
    house.add("sim/scene/kinds/pair.py", KIND)
    assert house.make_data("pair")["kind"] == "pair"
    summary, settings = house.evaluate("pair", "antipodal")
    assert settings["scene"] == "pair"
    assert summary["objects"] == 2


def test_a_model_is_a_file_and_its_options(house):
    house.add("equigrasp/models/glance.py", MODEL)
    house.add("configs/model/glance.yaml", OPTIONS)
    write_synthetic_data_set(house.out / "data", 24, seed=0)
    options = [f"data.dirs=[{house.out}/data]", f"run_dir={house.out}/run", "trainer=quick"]
    options += ["trainer.max_steps=3", "trainer.validate_every=3"]
    house.run("-m", "equigrasp.train", "model=glance", *options)
    card = json.loads((house.out / "run" / "model.json").read_text())
    assert card["config"]["name"] == "glance"
    assert card["steps_done"] == 3


def test_a_planner_is_a_file(house):
    house.add(
        "sim/clutter/planners/top_down.py", (ROOT / "examples" / "add_a_planner.py").read_text()
    )
    summary, settings = house.evaluate("packed", "top_down")
    assert summary["attempts"] > 0
    # what was begun with another planner can still be resumed
    program = "from sim.clutter.fingerprint import fingerprint as f; print(f('oracle', 'packed'))"
    assert house.run("-c", program).strip() == fingerprint("oracle", "packed")
    assert settings["fingerprint"] != fingerprint("oracle", "packed")
