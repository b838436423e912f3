"""`equigrasp view`: a scene of a data set, and the grasps that succeeded in simulation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from equigrasp.cli.page import PORT, result_of, serve
from equigrasp.data.files import atomic_path
from equigrasp.data.scene_files import SceneRecord, read_scene
from equigrasp.geometry.transforms import yaw_turns
from equigrasp.grasp import Grasp
from equigrasp.optional import require


def main(arguments: Sequence[str]) -> int:
    """Show a scene in a browser, or draw it."""
    parser = argparse.ArgumentParser(
        description="Successful grasps are drawn at their first successful yaw."
    )
    parser.add_argument("scene", type=Path, help="file of a data set: data/packed/scenes/*.npz")
    parser.add_argument("--image", type=int, default=0, help="which of its depth images")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw into this folder")
    parser.add_argument("--port", type=int, default=PORT, help="of the page")
    options = parser.parse_args(arguments)
    record = read_scene(options.scene)
    if not 0 <= options.image < len(record.depth):
        raise ValueError(f"--image {options.image}: this scene has 0 to {len(record.depth) - 1}")
    view = record.depth[options.image], record.intrinsics, record.T_world_camera[options.image]
    grasps = successes(record)
    print(f"{record.kind} scene {record.index}: {len(grasps)} grasp points with a success")
    require("matplotlib", "looking at a scene")
    if options.pictures:
        from equigrasp.viewer import draw_grasps

        path = options.pictures / f"{options.scene.stem}_grasps.png"
        with atomic_path(path) as unfinished:
            draw_grasps(*view, grasps).savefig(unfinished, dpi=110, format="png")
        print(f"written: {path}")
        return 0
    serve(*view, result_of(grasps), options.port)
    return 0


def successes(record: SceneRecord) -> list[Grasp]:
    """Labelled grasps of a scene at their first successful yaw, score 1."""
    turns = yaw_turns(record.yaw_success.shape[1])
    found = []
    for point in np.flatnonzero(record.yaw_success.any(1)):
        yaw = int(record.yaw_success[point].argmax())
        rotation = record.grasp_rotation[point] @ turns[yaw]
        width = float(record.yaw_width[point, yaw])
        found.append(Grasp(record.grasp_position[point], rotation, width, 1.0))
    return found
