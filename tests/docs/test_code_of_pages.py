"""The Python of pages on tasks, hands and planners runs as printed; others' is run elsewhere."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from equigrasp.hand import PANDA, load_hand
from equigrasp.perception.camera import DEFAULT_INTRINSICS
from equigrasp.policy.agent import KeyframeAgent
from equigrasp.policy.episodes.keysteps import KeystepFile
from equigrasp.policy.episodes.synthetic import random_frames, write_synthetic_demonstrations
from equigrasp.testing import ModelContract, PolicyContract
from equigrasp.workspace import WORKSPACE
from sim.clutter.outside import PlannerView
from sim.clutter.outside_process import PlannerProcess
from sim.testing.hand_contract import HandContract
from sim.testing.task_contract import TaskContract

ROOT = Path(__file__).parents[2]
HERE, TESTS = Path(__file__).name, ROOT / "tests/equigrasp"
RUN_BY = {
    "README.md": "test_code_in_text.py",
    "docs/models.md": "test_code_in_text.py",
    "docs/planning.md": "test_examples_in_text.py",
    "docs/serving.md": "test_examples_in_text.py",
    "docs/robots.md": "policy/recording/test_page.py",
    "docs/tutorials/first_grasp.md": "test_examples_in_text.py",
    "docs/tutorials/add_a_model.md": "test_examples_in_text.py",
    **dict.fromkeys(
        ("CONTRIBUTING.md", "docs/hands.md", "docs/planners.md", "docs/tasks.md"), HERE
    ),
}
"""Pages with Python in them, and the tests that run it."""


def blocks(page, kind="python"):
    """Code of a page, block by block."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def test_the_python_of_every_page_is_run_by_some_test():
    pages = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"))
    names = {str(page.relative_to(ROOT)) for page in pages}
    assert {name for name in names if blocks(name)} == set(RUN_BY)
    for page, test in RUN_BY.items():
        folder = Path(__file__).parent if test == HERE else TESTS
        assert page.removeprefix("docs/") in (folder / test).read_text(encoding="utf-8")


def contract(code, base, **changes):
    """The test class of a block, with what it names changed to what there is."""
    known = {}
    exec(code, known)
    classes = [value for value in known.values() if isinstance(value, type)]
    (made,) = [each for each in classes if issubclass(each, base) and each is not base]
    for name, value in changes.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made()


def test_episodes_and_agents_of_the_page_on_tasks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    episodes, keysteps, agent, task, policy = blocks("docs/tasks.md")
    write_synthetic_demonstrations("data/demos", 1)
    shutil.move("data/demos/open", "data/demos/stack_blocks")
    known = {}
    exec(episodes, known)
    assert known["episode"].descriptions == ["open it"]
    known = {}
    shipped = agent.replace("runs/mini_diffuser_demos_seed0", "mini_diffuser_tasks")
    assert shipped != agent
    seen = KeyframeAgent.load("mini_diffuser_tasks")
    known["frame"] = random_frames(0, 1, seen.image_size, seen.cameras)[0]
    exec(shipped, known)
    assert known["pose"].shape == (4, 4)
    assert isinstance(known["opened"], bool)
    made = contract(task, TaskContract, name="lid_on_jar")
    made.test_sentences_tell_variations_apart()
    made = contract(policy, PolicyContract, config={"name": "mini_diffuser", "channels": 24})
    made.test_losses_are_those_that_have_weights()


def test_keysteps_of_the_page_on_tasks(tmp_path, monkeypatch):
    lmdb, msgpack = pytest.importorskip("lmdb"), pytest.importorskip("msgpack")
    monkeypatch.chdir(tmp_path)
    folder = Path("keysteps_bbox_pcd/voxel1cm/close_jar_peract+15")
    folder.mkdir(parents=True)

    def packed(array):
        return {
            b"nd": True,
            b"type": array.dtype.str,
            b"kind": b"",
            b"shape": array.shape,
            b"data": array.tobytes(),
        }

    record = {
        "xyz": [np.zeros((9, 3), "f4")] * 2,
        "rgb": [np.zeros((9, 3), "u1")] * 2,
        "action": np.ones((2, 8)),
        "key_frameids": [0, 7],
    }
    with lmdb.open(str(folder), map_size=1 << 22) as database, database.begin(write=True) as t:
        t.put(b"episode0", msgpack.packb(record, default=packed))
    known = {}
    exec(blocks("docs/tasks.md")[1], known)
    assert known["episode"].actions.shape == (2, 8)
    assert isinstance(known["file"], KeystepFile)


def test_the_hand_of_its_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    boxes, shapes = blocks("docs/hands.md", "yaml")
    Path("my_hand.yaml").write_text(boxes)
    (code,) = blocks("docs/hands.md")
    made = contract(code, HandContract)
    made.test_it_is_written_down_whole()
    made.test_its_shapes_fit_its_boxes()
    assert made.hand.opening == 0.06
    Path("my_hand.yaml").write_text(boxes + shapes)
    hand = load_hand("my_hand.yaml")
    assert [*hand.finger_joints] == yaml.safe_load(shapes)["finger_joints"]
    assert Path(hand.urdf).name == "my_hand.urdf"


PREDICTS = """
import json, sys
import numpy as np
from types import SimpleNamespace

def say(**message):
    print(json.dumps(message), flush=True)

class Group(SimpleNamespace):
    def nms(self):
        return self
    def __len__(self):
        return len(self.widths)

def predict(cloud):
    return Group(rotation_matrices=np.eye(3)[None], translations=cloud.mean(0)[None],
                 widths=np.array([0.05]), scores=np.array([0.7]), depths=np.array([0.02]))

begin = json.loads(sys.stdin.readline())
"""


def test_the_recipe_of_the_page_on_planners(tmp_path):
    (code,) = blocks("docs/planners.md")
    head, body = code.split("...\n")
    loop = (
        'for line in sys.stdin:\n    asked = json.loads(line)\n    view = np.load(asked["view"])\n'
    )
    body = "".join(f"    {line}\n" for line in body.splitlines()) + '    say(say="planned")\n'
    (tmp_path / "serve.py").write_text(PREDICTS + head + loop + body)
    rng = np.random.default_rng(0)
    T = np.eye(4)
    T[:3, 3] = 0.1, 0.2, 0.9
    cloud = rng.random((7, 3), "f4")
    shown = rng.random((4, 5), "f4"), DEFAULT_INTRINSICS, T, cloud, np.ones((4, 5), bool)
    process = PlannerProcess([sys.executable, str(tmp_path / "serve.py")], PANDA, 20.0)
    offer = process.ask(PlannerView(*shown, PANDA, WORKSPACE, rng, ()))
    assert (process.convention, process.frame) == ("graspnet", "camera")
    process.close()
    np.testing.assert_allclose(offer.poses[0, :3, 3], cloud.mean(0) - T[:3, 3], atol=1e-6)
    assert (offer.widths[0], offer.scores[0], offer.depths[0]) == (0.05, 0.7, 0.02)


def test_the_test_class_of_contributing():
    (code,) = blocks("CONTRIBUTING.md")
    contract(
        code, ModelContract, config={"name": "vgn"}
    ).test_options_are_recorded_and_make_it_again()
