"""The wheel in a fresh environment: it installs one name, plans alone, and runs the three programs.

The environment borrows the packages of this one by a path file, which brings none of its own names:
equigrasp is there from the wheel alone. `benchmarks/tiers.py` installs everything for real.
"""

import pytest

from benchmarks.shared.fresh import (
    borrow_packages,
    build_wheel,
    install,
    make_environment,
    run,
    site_packages,
)
from equigrasp.optional import EXTRAS

SMALL = {"EQUIGRASP_SIZE": "0.02"}
ALONE = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted({m for modules in EXTRAS.values() for m in modules})}:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)
sys.meta_path.insert(0, Blocker())
from equigrasp.cli import main
sys.exit(main(sys.argv[1:]))
"""
pytestmark = pytest.mark.timeout(1800)  # programs that compute; under a minute if idle


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder of the programs of a fresh environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel, python = build_wheel(folder / "built"), make_environment(folder / "env")
    install(python, "--no-deps", "--no-index", str(wheel))
    found = {path.name.partition("-")[0] for path in site_packages(python).iterdir()}
    assert found == {"equigrasp"}
    borrow_packages(python)
    return python.parent


def test_the_base_tier_plans_alone_and_names_what_it_lacks(installed, tmp_path):
    alone = [str(installed / "python"), "-c", ALONE]
    run([*alone, "sample", "looks"], tmp_path)
    files = ["looks/depth.png", "--camera", "looks/camera.json", "--pose", "looks/pose.json"]
    assert "grasps (ok)" in run([*alone, "plan", *files, "--out", "grasps.json"], tmp_path)
    lacking = {
        "plan": ([*files, "--view"], "view"),
        "train": ([], "train"),
        "eval": (["--scene", "pile"], "sim"),
        "data": (["packed"], "sim"),
    }
    for name, (arguments, extra) in lacking.items():
        said = run([*alone, name, *arguments], tmp_path, status=2)
        assert f"pip install 'equigrasp[{extra}]'" in said
        assert "Traceback" not in said


def test_messages_of_the_wheel_name_its_own_commands(installed, tmp_path):
    command = str(installed / "equigrasp")
    said = run([command, "data", "verify", "data/none"], tmp_path, status=1)
    said += run([command, "train", "model=equigiga", "data=packed"], tmp_path, status=1)
    assert "`equigrasp data pile --out data/packed`" in said
    assert "python data_gen" not in said


def test_the_wheel_takes_no_name_from_others(installed, tmp_path):
    code = "import equigrasp; print(equigrasp.__file__); import {}"
    for name in ("sim", "data_gen", "configs"):
        said = run([str(installed / "python"), "-c", code.format(name)], tmp_path, status=1)
        assert str(installed.parent) in said
        assert f"No module named '{name}'" in said


def test_the_three_programs_run_from_the_wheel(installed, tmp_path):
    command = str(installed / "equigrasp")
    made = run([command, "data", "packed", "--grasps-per-scene", "10"], tmp_path, extra=SMALL)
    assert "data/packed: 8 scenes" in made
    assert "8 scenes" in run([command, "data", "stats", "data/packed"], tmp_path)
    run([command, "data", "verify", "data/packed"], tmp_path)
    small = ["trainer.max_steps=2", "trainer.warmup_steps=1", "trainer.batch_size=2"]
    run([command, "train", "model=equigiga", "model.fields=2", *small], tmp_path)
    model = "runs/equigiga_packed_seed0"
    assert (tmp_path / model / "model.safetensors").exists()
    one = ["--model", model, "--rounds", "1", "--seeds", "1", "--workers", "1"]
    cleared = run([command, "eval", "--scene", "packed", *one], tmp_path)
    assert "| evaluation | GSR % |" in cleared
