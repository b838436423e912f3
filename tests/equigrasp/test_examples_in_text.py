"""Examples in docstrings and documents: the models that they name exist, the first one runs."""

import re
import shlex
import textwrap
import threading
from pathlib import Path

import numpy as np
import trimesh

import equigrasp.planner
from equigrasp.cli import main
from equigrasp.cli.table import COMMANDS
from equigrasp.data.synthetic import render_primitives
from equigrasp.perception.camera import depth_to_points, fixed_view
from equigrasp.serving.server import PlannerServer
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
    assert (len(blocks), len(calls)) == (5, 8)
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
    assert main(["sample", "."]) == 0  # depth.png and camera.json
    exec("import equigrasp.input_files", known)
    exec("import equigrasp.perception.distortion; coefficients = (0.1, 0, 0, 0)", known)
    exec("from equigrasp import load_grasps, save_grasps; grasp = plan[0]", known)
    for call in calls:
        exec(call, known)
    assert len(equigrasp.load_grasps("grasps.json")) == len(known["plan"])


def test_the_client_of_its_page_asks_a_server(camera, depth_image, capsys):
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/serving.md").read_text(encoding="utf-8"), re.DOTALL
    )
    planner = equigrasp.GraspPlanner.from_pretrained("equigiga_pile")
    server = PlannerServer(planner, port=0)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    view = {"depth": depth_image(), "intrinsics": camera, "T_world_camera": fixed_view()}
    try:
        exec(block.replace("http://127.0.0.1:8765", server.address), view)
    finally:
        server.stop()
        thread.join()
    assert 0 < len(view["plan"]) <= 5
    assert f"\n{view['plan'].reason} [" in capsys.readouterr().out


def commands(page):
    """The lines of a page that call `equigrasp`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [shlex.split(line) for line in re.findall(r"^    equigrasp (.*)$", text, re.MULTILINE)]


def test_the_first_grasp_is_made_as_its_page_says(tmp_path, monkeypatch, capsys, shapes):
    monkeypatch.chdir(tmp_path)
    asked = commands("tutorials/first_grasp.md")
    assert [words[0] for words in asked] == ["doctor", "sample", "plan", "doctor"]
    for words in asked[1:3]:
        assert main(words) in (0, None)
    assert len(equigrasp.load_grasps("grasps.json")) > 0
    own = {name: f"looks/{name}" for name in ("camera.json", "pose.json", "depth.png")}
    words = [own.get(word, word) for word in asked[3]]
    assert main([*words, "--model", "equigiga_pile"]) in (0, None)
    text = (ROOT / "docs/tutorials/first_grasp.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    intrinsics = re.search(r"Intrinsics\(.*\)", block)[0]
    camera = eval(intrinsics, {"Intrinsics": equigrasp.Intrinsics})
    depth = render_primitives(shapes, camera, fixed_view())
    exec(block, {"depth": depth})
    assert "is the table" in capsys.readouterr().out


def test_commands_on_pages_are_ones_that_there_are(capsys):
    pages = ["index.md", *(f"tutorials/{path.name}" for path in ROOT.glob("docs/tutorials/*.md"))]
    named = {words[0] for page in pages for words in commands(page)}
    assert len(named) > 6
    assert named <= set(COMMANDS)


def test_the_model_of_the_tutorial_is_the_one_that_is_added_in_a_test():
    page = (ROOT / "docs/tutorials/add_a_model.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert block.strip() in (ROOT / "tests/test_additions.py").read_text(encoding="utf-8")


def test_pictures_of_the_readme_are_there_and_small():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert len(pictures) >= 2
    for picture in pictures:
        assert 20_000 < (ROOT / picture).stat().st_size < 200_000


def test_pages_are_in_the_table_of_contents_and_links_lead_somewhere():
    docs = ROOT / "docs"
    listed = set(re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert listed == {str(path.relative_to(docs)) for path in docs.rglob("*.md")}
    for page in docs.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"
