"""The code of README and of pages on models runs as it is printed."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from equigrasp.data.synthetic import render_primitives
from equigrasp.perception.camera import Intrinsics, fixed_view
from equigrasp.perception.tsdf import fuse_tsdf

ROOT = Path(__file__).parents[2]
CAMERA = Intrinsics(width=640, height=480, fx=540, fy=540, cx=320, cy=240)


def blocks(page):
    """Python of a page, block by block."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def volume(shapes):
    depth = torch.as_tensor(render_primitives(shapes, CAMERA, fixed_view()))
    return fuse_tsdf(depth, CAMERA, fixed_view())[None]


def test_the_first_code_of_the_readme(shapes, capsys):
    first, *_ = blocks("README.md")
    depth = render_primitives(shapes, CAMERA, fixed_view()).astype(np.float32)
    known = {"depth": depth, "T_world_camera": fixed_view()}
    exec(first, known)
    assert len(known["result"].grasps) > 2
    exec(first, known | {"depth": np.zeros_like(depth)})
    assert capsys.readouterr().out.split() == ["empty_depth", "nothing_seen"]


def test_the_network_alone(volume):
    _, second = blocks("README.md")
    points = torch.rand(1, 7, 3) - 0.5
    known = {"tsdf": volume, "points": points}
    exec(second, known)
    assert known["field"].quality.shape == (1, 7)
    assert known["field"].rotation.shape == (1, 7, 3, 3)
    assert callable(known["equivariance_error"])


def test_the_export_of_a_model(volume, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="pip install 'equigrasp[dev]'")
    export, use = blocks("docs/models.md")
    monkeypatch.chdir(tmp_path)
    exec(export, {})
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (1, 7, 3)).astype(np.float32)
    known = {"tsdf": volume.numpy(), "points": points}
    exec(use, known)
    assert known["rotation"].shape == (1, 7, 3, 3)
