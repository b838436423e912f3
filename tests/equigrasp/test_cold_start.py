"""A plan needs torch, numpy and safetensors: nothing that takes seconds to import comes along."""

import subprocess
import sys

import pytest

PLAN = """
import sys
import numpy as np
from equigrasp import GraspPlanner
from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view

block = Primitive(np.array([0.15, 0.16, 0.08]), np.array([0.03, 0.02, 0.03]), 0.3)
depth = np.minimum(render_primitives([block], DEFAULT_INTRINSICS, fixed_view()), 2.0)
result = GraspPlanner.from_pretrained(sys.argv[1]).plan(depth, DEFAULT_INTRINSICS, fixed_view())
print(result.reason, *sorted({name.split(".")[0] for name in sys.modules}))
print(*sorted({"torch._dynamo", "torch._inductor"} & set(sys.modules)))
"""
HEAVY = {"roma", "scipy", "mcubes", "matplotlib", "hydra", "lightning", "escnn", "e2cnn",
         "trimesh", "open3d", "pybullet", "PIL", "diffusers"}  # fmt: skip


@pytest.mark.parametrize("name", ["equigiga_pile", "equiigd_packed", "giga_pile"])
def test_a_plan_imports_no_more_than_it_needs(name):
    run = subprocess.run([sys.executable, "-c", PLAN, name], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (reason, *packages), compilers = (line.split() for line in run.stdout.splitlines())
    assert (reason, compilers) == ("ok", [])
    assert {"torch", "numpy", "safetensors"} <= set(packages)
    assert not HEAVY & set(packages)
