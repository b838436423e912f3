import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import equigrasp

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(
    path for folder in ("sim", "data_gen", "examples") for path in (ROOT / folder).glob("*.py")
)
THREADS_THAT_WAIT = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
HEAVY = (
    "torch",
    "escnn",
    "e2cnn",
    "pybullet",
    "open3d",
    "scipy",
    "matplotlib",
    "hydra",
    "lightning",
)


def loaded_after(statement):
    """Names of heavy modules present in a fresh interpreter after `statement`."""
    program = f"{statement}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import equigrasp") == set()


@pytest.mark.parametrize(
    ("chosen", "found"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "None")],
)
def test_threads_that_wait_leave_the_processor_to_others_unless_somebody_chose(chosen, found):
    environment = {k: v for k, v in os.environ.items() if k not in THREADS_THAT_WAIT} | chosen
    program = "import os, equigrasp; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == found


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_programs_load_the_package_before_torch(program):
    """How threads wait is read when torch is loaded."""
    names = []
    for node in ast.parse(program.read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module.split(".")[0])
    ours = [names.index(name) for name in ("equigrasp", "sim", "data_gen") if name in names]
    assert "torch" not in names or min(ours) < names.index("torch")


def test_public_functions_leave_escnn_and_simulators_alone():
    loaded = loaded_after("from equigrasp import build_model, load_model, save_model, GraspModel")
    assert not loaded & {"escnn", "e2cnn", "pybullet", "open3d"}


def test_building_a_trainable_model_is_what_needs_escnn():
    loaded = loaded_after(
        "import equigrasp; equigrasp.build_model('equigiga', resolution=8, fields=1, depth=2,"
        " head_fields=1, head_blocks=1)"
    )
    assert "escnn" in loaded
    assert not loaded & {"e2cnn", "pybullet", "open3d"}


@pytest.mark.parametrize("name", ["equigiga", "equiigd"])
def test_kernels_of_orbits_need_no_escnn(name):
    loaded = loaded_after(
        f"import equigrasp; model = equigrasp.build_model('{name}', resolution=8, fields=1,"
        " depth=2, head_blocks=1, layers={'kernels': 'orbits'});"
        " assert all(name.endswith('.orbits') for name in model.bank.tensors())"
    )
    assert "torch" in loaded
    assert not loaded & {"escnn", "e2cnn", "pybullet", "open3d"}


def test_public_names_resolve_and_unknown_ones_do_not():
    for name in equigrasp.__all__:
        assert getattr(equigrasp, name) is not None
    assert set(equigrasp.__all__) <= set(dir(equigrasp))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = equigrasp.nothing
