"""Recordings for the Rerun viewer: what it is handed, and a real file read by its own program."""

import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from equigrasp.grasp import Grasp
from equigrasp.moment import Moment
from equigrasp.rerun_file import save_rerun
from equigrasp.scene_mesh import SceneMesh
from equigrasp.viewer import gripper_lines

DOWN = np.diag([1.0, -1.0, -1.0])


@pytest.fixture
def moments():
    rng = np.random.default_rng(0)
    points, colours = rng.random((7, 3), np.float32), np.full((7, 3), 9, np.uint8)
    grasps = [Grasp([0.1, 0.1, 0.1], DOWN, 0.05, score) for score in (0.9, 0.1)]
    tsdf = np.full((8, 8, 8), 0.9, np.float32)
    tsdf[4, 4, 4] = 0.5
    shape = SceneMesh(np.eye(3), np.array([[0, 1, 2]]), np.zeros(0))
    planes = {"xy": rng.random((4, 5, 6))}
    full = Moment("**first**", points, colours, grasps, tsdf, shape, planes)
    return [full, Moment("**last**", points[:3], colours[:3])]


class Recorder:
    """As much of `rerun` as is called, keeping what it is given."""

    def __init__(self):
        self.logged, self.step = [], None
        self.ViewCoordinates = SimpleNamespace(RIGHT_HAND_Z_UP="up")

    def __getattr__(self, kind):
        return lambda *given, **named: SimpleNamespace(kind=kind, given=given, **named)

    def RecordingStream(self, name):
        return self

    def save(self, path):
        path.write_bytes(b"recording")

    def set_time(self, timeline, sequence):
        self.step = sequence

    def log(self, path, what, static=False):
        self.logged.append((self.step, path, what))

    def flush(self):
        pass

    def disconnect(self):
        pass


def test_everything_of_a_moment_is_logged_at_its_step(moments, tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, "rerun", recorder)
    save_rerun(tmp_path / "a.rrd", moments)
    found = {(step, path): what for step, path, what in recorder.logged}
    np.testing.assert_array_equal(found[0, "scene/cloud"].given[0], moments[0].points)
    rods = found[0, "scene/grasps"]
    np.testing.assert_allclose(rods.given[0][4:], gripper_lines(moments[0].grasps[1]))
    good, poor = rods.colors[0], rods.colors[4]
    assert good[1] > good[0]  # green for a good one, red for a poor one
    assert poor[0] > poor[1]
    (voxel,) = found[0, "scene/volume"].given[0]
    np.testing.assert_allclose(voxel, 4.5 * 0.3 / 8)
    np.testing.assert_array_equal(found[0, "scene/shape"].vertex_positions, np.eye(3))
    assert found[0, "planes/xy"].given[0].shape == (36, 30, 3)
    gone = {path for (step, path), what in found.items() if step and what.kind == "Clear"}
    assert gone == {f"scene/{name}" for name in ("grasps", "volume", "shape")} | {
        f"planes/{name}" for name in ("xy", "xz", "yz")
    }


def test_rerun_reads_what_was_written(moments, tmp_path):
    pytest.importorskip("rerun")
    path = save_rerun(tmp_path / "a.rrd", moments)
    line = [sys.executable, "-m", "rerun", "rrd", "print", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"with (\d+) rows .* - /(\S*) - .*columns: \[(.*)\]", done.stdout)
    names = {name for _, name, _ in found}
    assert {"scene/cloud", "scene/grasps", "scene/shape", "scene/volume", "planes/xy"} <= names
    texts = [int(rows) for rows, _, columns in found if re.search(r"\bText\b|:text\b", columns)]
    assert sum(texts) == 2  # one of each moment


def test_other_endings_and_nothing_are_refused(moments, tmp_path):
    with pytest.raises(ValueError, match=r"end in \.rrd"):
        save_rerun(tmp_path / "a.ply", moments)
    with pytest.raises(ValueError, match="one moment"):
        save_rerun(tmp_path / "a.rrd", [])


def test_what_to_install_is_named(moments, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ImportError, match=r"pip install 'equigrasp\[rerun\]'"):
        save_rerun(tmp_path / "a.rrd", moments)
