"""What pages assume that a reader has: objects, images, recordings, planners of one's own.

Each function puts it on the `Desk` of a page under the name by which the page calls it. All of it
is small and made up.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from equigrasp.data.files import read_json
from equigrasp.data.synthetic import Primitive, render_primitives, write_synthetic_data_set
from equigrasp.geometry.transforms import look_at, make_transform
from equigrasp.perception.camera import Intrinsics
from equigrasp.policy.episodes.image_files import png_bytes
from equigrasp.policy.recording.folders import find_takes, read_take
from equigrasp.policy.recording.recorder import Recorder
from equigrasp.policy.recording.rig import CAMERAS_FILE, Rig, RigCamera
from equigrasp.sample import write_sample
from shared.page_runs import Desk
from sim.objects.load import load_objects
from sim.objects.spec import ObjectSpec, split_of
from sim.scene.kinds import find_kind

OBJECTS = {"train": 4, "val": 2, "test": 2}
"""Own objects of each split."""
SCENES = 12
"""Of a made-up data set."""
FRAMES, CLOSES = 8, 4
"""Frames of a recording, and the one at which the gripper closes."""


def environment(desk: Desk) -> None:
    """`.venv`, which `make` made: the environment that runs this."""
    (desk.here / ".venv").symlink_to(sys.prefix)


def own_urdfs(desk: Desk) -> None:
    """`my/urdfs`: procedural objects, a folder each, as they are kept once they are prepared."""
    _objects(desk.here / "my" / "urdfs", meshes=False)


def own_meshes(desk: Desk) -> None:
    """`my/meshes`: the surfaces of the same."""
    _objects(desk.here / "my" / "meshes", meshes=True)


def published_objects(desk: Desk) -> None:
    """`DIR`, "the folder of the published training objects": ours again."""
    _objects(desk.here / "DIR", meshes=False)


def _objects(folder: Path, *, meshes: bool) -> None:
    """A few objects of our sets under names that put enough of them into every split; those for
    validation are of the set `limit`, so that not every grasp of them holds."""
    easy, hard = _convex(f"procedural:{4 * sum(OBJECTS.values())}"), _convex("limit")
    wanted = dict(OBJECTS)
    folder.mkdir(parents=True)
    for number in range(1000):
        name = f"thing_{number}"
        split = split_of(name)
        if not wanted[split]:
            continue
        wanted[split] -= 1
        spec = next(hard if split == "val" else easy)
        if meshes:
            shutil.copyfile(spec.mesh, folder / f"{name}{spec.mesh.suffix}")
        else:
            shutil.copytree(spec.urdf.parent, folder / name)


def _convex(names: str) -> Iterator[ObjectSpec]:
    """Objects of some sets that need no decomposition, which takes seconds."""
    for spec in load_objects(names, find_kind("pile").objects):
        if read_json(spec.urdf.with_name("object.json"))["parts"] == 1:
            yield spec


def own_protocol(desk: Desk) -> None:
    """`mine.yaml`, which starts from a copy, as the page says."""
    shutil.copyfile(desk.clone / "configs" / "protocol" / "giga.yaml", desk.here / "mine.yaml")


def own_planners(desk: Desk) -> None:
    """`my_planner.py` with a class `Mine`; `mine.py` with a class `Planner`: the page's example."""
    example = (desk.clone / "examples" / "top_down.py").read_text(encoding="utf-8")
    for file, name in (("my_planner.py", "Mine"), ("mine.py", "Planner")):
        code = re.sub(r"\bTopDown\b", name, example)
        (desk.here / file).write_text(code, encoding="utf-8")


def other_environment(desk: Desk) -> None:
    """`serve.py`, and a stand-in for conda that runs it in this environment."""
    shutil.copyfile(desk.clone / "examples" / "top_down_process.py", desk.here / "serve.py")
    stand_in = desk.programs / "conda"
    stand_in.write_text('#!/bin/sh\nwhile [ "$1" != -n ]; do shift; done\nshift 2\nexec "$@"\n')
    stand_in.chmod(0o755)


def own_model(desk: Desk) -> None:
    """The file of the tutorial's model, and that of its options."""
    page = (desk.clone / "docs" / "tutorials" / "add_a_model.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    (desk.clone / "equigrasp" / "models" / "glance.py").write_text(code, encoding="utf-8")
    options = "_target_: equigrasp.models.glance.Glance\nwidth: 4\n"
    (desk.clone / "configs" / "model" / "glance.yaml").write_text(options)


def own_image(desk: Desk) -> None:
    """`depth.png`, `camera.json` and `pose.json`, as a camera would deliver them."""
    write_sample(desk.here)


def pile(desk: Desk) -> None:
    """`data/pile`, made up without a simulator."""
    write_synthetic_data_set(desk.here / "data" / "pile", SCENES, grasps=20)


def packed(desk: Desk) -> None:
    """`data/packed`, the same."""
    write_synthetic_data_set(desk.here / "data" / "packed", SCENES, seed=1, grasps=80)


def recordings(desk: Desk) -> None:
    """`recordings`, two takes: a tip goes down to a block and closes, as one camera saw it."""
    camera = Intrinsics(160, 120, 150.0, 150.0, 80.0, 60.0)
    pose = look_at([1.1, 0.1, 0.5], [0.4, 0.0, 0.0])
    rig = Rig({"front": RigCamera(camera, pose, depth_scale=0.001)})
    block = Primitive(np.array([0.45, 0.05, 0.03]), np.array([0.03, 0.03, 0.03]), 0.3)
    depth = render_primitives([block], camera, pose, table_height=0.0)
    rgb = np.full((*depth.shape, 3), 90, np.uint8)
    for _ in range(2):
        with Recorder(desk.here / "recordings", "take_block", ["take the block"], rig) as recorder:
            for index in range(FRAMES):
                height = 0.3 - 0.06 * min(index, CLOSES)
                tip = make_transform(np.diag([1.0, -1.0, -1.0]), [0.45, 0.05, height])
                recorder.add({"front": (rgb, depth)}, tip, float(index < CLOSES))


def lerobot(desk: Desk) -> None:
    """`DATA_SET`, a LeRobot data set of the recordings; `cameras.json`; `marks.json`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root, rows = desk.here / "DATA_SET", []
    for number, folder in enumerate(find_takes(desk.here / "recordings")):
        take = read_take(folder)
        for index, moment in enumerate(take.moments):
            rgb, depth = (np.asarray(image) for image in take.look(index)["front"])
            pose = take.frame(index).state.gripper_pose.tolist()
            pictures = {"front": rgb, "front_depth": depth}
            rows.append(
                {f"observation.images.{n}": {"bytes": png_bytes(p)} for n, p in pictures.items()}
                | {"observation.state": [*pose, float(moment.gripper_open)]}
                | {"episode_index": number, "frame_index": index, "task_index": 0}
            )
    for name, table in {
        "data/chunk-000/file-000.parquet": rows,
        "meta/tasks.parquet": [{"task_index": 0, "task": "lift the block"}],
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(table), root / name)
    shown = {n: {"dtype": "image", "shape": [120, 160, 3]} for n in rows[0] if "images" in n}
    shown["observation.state"] = {"dtype": "float32", "shape": [8]}
    told = {"codebase_version": "v3.0", "features": shown}
    (root / "meta" / "info.json").write_text(json.dumps(told))
    cameras = find_takes(desk.here / "recordings")[0] / CAMERAS_FILE
    shutil.copyfile(cameras, desk.here / "cameras.json")
    (desk.here / "marks.json").write_text('{"1": [2, 5]}')


def own_demonstrations(desk: Desk) -> None:
    """`MY_DEMOS`: a task of those that the page has made before, under a name of one's own."""
    os.symlink(desk.here / "data" / "demos", desk.here / "MY_DEMOS")
