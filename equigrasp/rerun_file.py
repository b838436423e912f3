"""Scenes in a file for the Rerun viewer: `rerun plan.rrd` shows what `equigrasp.browser` shows.

    save_rerun("plan.rrd", [Moment.of_plan(depth, intrinsics, T_world_camera, plan)])

Moments are steps of the timeline "step". Needs rerun-sdk (`pip install 'equigrasp[rerun]'`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equigrasp.data.files import atomic_path
from equigrasp.moment import Moment, plane_pictures
from equigrasp.optional import require
from equigrasp.perception.surface import surface_voxels
from equigrasp.viewer import gripper_lines, score_colour

ROD, GRAIN = 0.0015, 0.001
"""Radius of the rods that a hand is drawn with, and of the points of a cloud, metres."""
SHAPE_COLOUR, VOXEL_COLOUR = (143, 179, 207), (90, 120, 160)


def save_rerun(path: str | os.PathLike, moments: Sequence[Moment]) -> Path:
    """Write moments as one recording, whole or not at all; the path that was given.

    Args:
        path: ends in .rrd.
        moments: in order.

    Raises:
        ValueError: another ending, or nothing to write.
        ImportError: rerun-sdk is not installed; the message names the command.
    """
    path = Path(path)
    if path.suffix != ".rrd":
        raise ValueError(f"'{path.name}' is no name for a recording; let it end in .rrd")
    if not moments:
        raise ValueError("there is nothing to write; give one moment at least")
    rerun = require("rerun", "a recording for the Rerun viewer")
    with atomic_path(path) as unfinished:
        recording = rerun.RecordingStream("equigrasp")
        recording.save(unfinished)
        recording.log("scene", rerun.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        for number, moment in enumerate(moments):
            recording.set_time("step", sequence=number)
            for name, what in _entities(rerun, moment).items():
                recording.log(name, rerun.Clear(recursive=False) if what is None else what)
        recording.flush()
        recording.disconnect()
    return path


def _entities(rerun: Any, moment: Moment) -> dict[str, Any]:
    """What is logged of a moment, by its path; None takes away what was there before."""
    grasps = moment.grasps
    lines = [gripper_lines(grasp, moment.hand) for grasp in grasps]
    colours = [score_colour(grasp)[:3] for grasp in grasps for _ in range(4)]
    cloud = rerun.Points3D(moment.points, colors=moment.colours, radii=GRAIN)
    strips = np.concatenate(lines) if lines else None
    found = {
        "title": rerun.TextDocument(moment.title, media_type="text/markdown"),
        "scene/cloud": cloud,
        "scene/grasps": None
        if strips is None
        else rerun.LineStrips3D(strips, colors=np.array(colours), radii=ROD),
        "scene/volume": _volume(rerun, moment),
        "scene/shape": _shape(rerun, moment),
    }
    pictures = plane_pictures(moment.planes)
    for name in ("xy", "xz", "yz"):
        found[f"planes/{name}"] = rerun.Image(pictures[name]) if name in pictures else None
    return found


def _volume(rerun: Any, moment: Moment) -> Any:
    if not moment.tsdf.any():
        return None
    volume = torch.from_numpy(np.ascontiguousarray(moment.tsdf))
    size = moment.workspace.side / len(volume)
    places = (surface_voxels(volume).nonzero().numpy() + 0.5) * size
    return rerun.Points3D(places, colors=VOXEL_COLOUR, radii=size / 4)


def _shape(rerun: Any, moment: Moment) -> Any:
    shape = moment.shape
    if shape is None or not len(shape.faces):
        return None
    triangles = {"vertex_positions": shape.vertices, "triangle_indices": shape.faces}
    return rerun.Mesh3D(**triangles, albedo_factor=SHAPE_COLOUR)
