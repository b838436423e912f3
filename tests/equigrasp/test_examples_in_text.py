"""Examples in docstrings and documents: the models that they name exist, the first one runs."""

import re
import textwrap
from pathlib import Path

import equigrasp.planner
from equigrasp.perception.camera import fixed_view
from equigrasp.weights import shipped_names

ROOT = Path(__file__).parents[2]
TEXTS = [*ROOT.glob("equigrasp/**/*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
LOADS = re.compile(r"(?:from_pretrained|load_model)\(\"([^\"./]+)\"")


def test_models_that_examples_name_are_shipped():
    named = {name for path in TEXTS for name in LOADS.findall(path.read_text(encoding="utf-8"))}
    assert named
    assert named <= set(shipped_names())


def test_the_first_example_of_the_planner_runs(camera, depth_image):
    blocks = re.findall(r"\n\n((?:    .*\n)+)\n", equigrasp.planner.__doc__)
    code = textwrap.dedent(blocks[0])
    assert "from_pretrained" in code
    known = {
        "GraspPlanner": equigrasp.GraspPlanner,
        "depth": depth_image(),
        "intrinsics": camera,
        "T_world_camera": fixed_view(),
    }
    exec(code, known)
    assert known["result"].grasps
    assert known["T"].shape == (4, 4)
