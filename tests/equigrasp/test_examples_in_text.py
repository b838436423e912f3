"""Examples in docstrings and documents: the models that they name exist, the first one runs."""

import re
import textwrap
from pathlib import Path

import numpy as np
import trimesh

import equigrasp.planner
from equigrasp.perception.camera import depth_to_points, fixed_view
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


def test_every_block_on_planning_runs_one_after_the_other(
    tmp_path, monkeypatch, camera, depth_image
):
    text = (ROOT / "docs/planning.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    calls = re.findall(r"`((?:save_grasps|equigrasp\.[a-z_.]+|grasp\.backed)\([^`]*\))`", text)
    assert (len(blocks), len(calls)) == (4, 6)
    monkeypatch.chdir(tmp_path)
    pose = fixed_view()
    image = depth_image()
    trimesh.PointCloud(depth_to_points(image, camera, pose, max_depth=1.9)).export("scan.ply")
    mask = np.ones(image.shape, bool)
    known = {"depth": image, "intrinsics": camera, "T_world_camera": pose, "mask": mask}
    exec(blocks[0], known)
    known["failed"] = known["plan"][0]
    for block in blocks[1:]:
        exec(block, known)
        assert known["plan"].reason in ("ok", "forced")
    exec("import equigrasp.robot_goals, equigrasp.exchange, equigrasp.grasp_arrays", known)
    exec("from equigrasp import load_grasps, save_grasps; grasp = plan[0]", known)
    for call in calls:
        exec(call, known)
    assert len(equigrasp.load_grasps("grasps.json")) == len(known["plan"])
