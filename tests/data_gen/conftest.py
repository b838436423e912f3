"""Data sets of scenes that cost nothing, and what their files hold."""

import hashlib
import os
import subprocess
import sys
import textwrap

import pytest

from data_gen.data_set import Resources, generate_data_set
from data_gen.settings import DataDesign, SceneSettings
from sim.scene.kinds import find_kind

PILE = find_kind("pile")
CHEAP_OBJECTS = """
    import os

    def describe(design):
        ids = os.environ.get("CHEAP_OBJECTS", "a,b").split(",")
        return {"object_ids": ids, "faults": [("c.obj", "is open")], "labeller": "cheap/1"}
"""
CHEAP = """
    import os, time
    import numpy as np
    from equigrasp.data.scene_files import SceneRecord, scene_path, write_scene
    from equigrasp.perception.camera import Intrinsics

    def make(directory, design, index, objects_hash):
        if index == 3:
            return {"stages": {"build": 1.0}, "empty": "nothing stayed"}
        if index == 5:
            os.abort()
        if index == 7:
            raise ValueError("a broken mesh")
        if index == 4 and os.environ.get("CHEAP_DISK_FULL"):
            raise OSError(28, "No space left on device")
        while index >= int(os.environ.get("CHEAP_HOLD", 10**9)):
            time.sleep(0.02)
        time.sleep(0.02)
        rng = np.random.default_rng([design.seed, index])
        T = np.eye(4)
        T[:3, 3] = rng.random(3)
        success = rng.random((2, 5)) < 0.3
        write_scene(scene_path(directory, index), SceneRecord(
            kind=design.kind.name, seed=design.seed, index=index, labeller="cheap/1",
            settled=True, view_names=["fixed"], depth=rng.uniform(0.3, 2.0, (1, 60, 80)),
            intrinsics=Intrinsics(80, 60, 70.0, 70.0, 40.0, 30.0), T_world_camera=T[None],
            grasp_position=rng.uniform(0.1, 0.2, (2, 3)), grasp_rotation=np.stack([np.eye(3)] * 2),
            grasp_source=np.zeros(2), grasp_visible=np.ones(2, bool), yaw_success=success,
            yaw_width=np.full((2, 5), 0.04), yaw_margin=np.zeros((2, 5)),
            yaw_fate=np.where(success, 0, 1),
            yaw_audited=np.zeros((2, 5), bool), object_id=["a"], object_scale=np.ones(1),
            object_mass=np.ones(1), object_friction=np.ones(1), T_world_object=T[None],
            occ_points=rng.uniform(0, 0.3, (6, 3)), occ=np.ones(6, bool)))
        return {"stages": {"build": 1.0, "label": 2.0}, "empty": None}
"""
DRIVER = """
    import sys
    from data_gen.data_set import Resources, generate_data_set
    from data_gen.settings import DataDesign, SceneSettings
    from sim.scene.kinds import find_kind
    generate_data_set(
        sys.argv[1],
        DataDesign(find_kind("pile"), 4, SceneSettings(grasps_per_scene=2, occupancy_points=6)),
        int(sys.argv[2]),
        Resources(
            int(sys.argv[3]), 20.0, make_scene="cheap:make", describe="cheap_objects:describe"))
"""


@pytest.fixture
def cheap(tmp_path, monkeypatch):
    """Resources for scenes that cost nothing; scenes 3, 5 and 7 fail, each in its own way."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "cheap.py").write_text(textwrap.dedent(CHEAP))
    (folder / "cheap_objects.py").write_text(textwrap.dedent(CHEAP_OBJECTS))
    (folder / "driver.py").write_text(textwrap.dedent(DRIVER))
    monkeypatch.syspath_prepend(folder)
    return Resources(2, 20.0, make_scene="cheap:make", describe="cheap_objects:describe")


@pytest.fixture
def make(cheap):
    """Generates a data set of cheap scenes, seed 4, two grasp points a scene."""
    small = SceneSettings(grasps_per_scene=2, occupancy_points=6)

    def run(directory, scenes=5, *, resources=cheap, on_progress=lambda _: None, **changes):
        design = DataDesign(**{"kind": PILE, "seed": 4, "settings": small} | changes)
        return generate_data_set(directory, design, scenes, resources, on_progress)

    return run


@pytest.fixture
def start(cheap):
    """Starts such a run as a process that leads a group of its own; scenes from `hold` on wait."""

    def run(directory, scenes, workers, hold=10**9):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        environment["CHEAP_HOLD"] = str(hold)
        return subprocess.Popen(
            [sys.executable, "-m", "driver", str(directory), str(scenes), str(workers)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return run


@pytest.fixture(scope="session")
def hashes():
    """Relative path -> hash of every file of a data set, without lock and logs."""

    def read(directory):
        return {
            str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name != ".lock" and path.parent.name != "logs"
        }

    return read
