"""The site of the documents builds without a warning, and its pictures are what the code draws."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from equigrasp.grasp import CONVENTIONS
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.self_test import fixed_depth
from equigrasp.testing import turn_grid
from equigrasp.weights import load_model

ROOT = Path(__file__).parents[2]


def program(name):
    """A program of `docs` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_builds_strictly_and_has_the_docstrings(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install 'equigrasp[docs]'")
    pytest.importorskip("mkdocstrings", reason="pip install 'equigrasp[docs]'")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reference" / "index.html").read_text(encoding="utf-8")
    assert "Grasps for one scene seen in one or several depth images" in page
    assert "equigrasp.serving.client.PlannerClient" in page
    assert (tmp_path / "pictures" / "symmetry.png").is_file()


def test_every_convention_has_a_picture():
    figure = program("draw_frames").draw()
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == list(CONVENTIONS)


def test_the_picture_of_the_symmetry_tells_what_is_exact_from_what_is_not():
    drawn = program("draw_symmetry")
    tsdf = fuse_tsdf(torch.as_tensor(fixed_depth()), DEFAULT_INTRINSICS, fixed_view())
    apart = {}
    for name in ("equigiga_pile", "giga_pile"):
        model = load_model(name)
        apart[name] = drawn.farthest(*(drawn.maps(model, turn_grid(tsdf, t)) for t in (0, 1)))
    surface = "surface from above"
    assert all(each.pop(surface) == 0 for each in apart.values())
    assert max(apart["equigiga_pile"].values()) < 1e-5
    assert min(apart["giga_pile"].values()) > 1e-2
    figure = drawn.draw(load_model("equigiga_pile"), tsdf)
    assert len(figure.axes) == 2 * 5
    assert np.isfinite(list(apart["giga_pile"].values())).all()
