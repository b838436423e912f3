"""Sample inputs: what depth cameras of several kinds would deliver of a small scene on a table.

The scene is made of boxes and balls, rendered by us; holes, shadows, flying pixels and steps are
those of `equigrasp.perception.camera_noise`. Sizes, focal lengths and units are those of the
cameras' data sheets; nothing was recorded with one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equigrasp.data.files import atomic_path, write_json
from equigrasp.data.synthetic import render_primitives
from equigrasp.input_files import UNIT
from equigrasp.perception.camera import Intrinsics, valid_pixels, view_on_sphere
from equigrasp.perception.camera_noise import camera_effects
from equigrasp.self_test import fixed_scene
from equigrasp.workspace import WORKSPACE


@dataclass(frozen=True)
class SampleCamera:
    """A kind of depth camera, and where it stands.

    Attributes:
        intrinsics: pixels.
        unit: metres of one step of its 16-bit images.
        radius, polar, azimuth: of its place around the middle of the table, metres and degrees.
    """

    intrinsics: Intrinsics
    unit: float
    radius: float
    polar: float
    azimuth: float


CAMERAS = {
    "d435": SampleCamera(Intrinsics(848, 480, 425.0, 425.0, 424.0, 240.0), 0.001, 0.55, 35, -90),
    "d405": SampleCamera(Intrinsics(848, 480, 430.0, 430.0, 424.0, 240.0), 0.0001, 0.40, 25, -60),
    "l515": SampleCamera(Intrinsics(640, 480, 460.0, 460.0, 320.0, 240.0), 0.00025, 0.65, 45, -120),
    "kinect": SampleCamera(Intrinsics(640, 576, 504.0, 504.0, 320.0, 288.0), 0.001, 0.70, 30, -90),
}
"""By name: stereo from half a metre and from close by, laser, and time of flight."""


def write_sample(folder: str | Path, camera: str = "d435", seed: int = 1) -> tuple[Path, ...]:
    """Write `depth.png` (16 bits), `camera.json` and `pose.json`; their paths.

    Args:
        folder: created if missing.
        camera: a key of `CAMERAS`.
        seed: of the camera's noise.

    Raises:
        ValueError: no such camera.
    """
    if camera not in CAMERAS:
        raise ValueError(f"no sample camera is called '{camera}'; use one of {', '.join(CAMERAS)}")
    from PIL import Image

    kind, folder = CAMERAS[camera], Path(folder)
    target = (WORKSPACE.side / 2, WORKSPACE.side / 2, WORKSPACE.table_height)
    angles = math.radians(kind.polar), math.radians(kind.azimuth)
    pose = view_on_sphere(kind.radius, *angles, target)
    clean = render_primitives(fixed_scene(), kind.intrinsics, pose).astype(np.float32)
    seen = valid_pixels(clean)
    noisy = camera_effects(clean, clean, seen, np.random.default_rng(seed))
    steps = np.where(seen & (noisy < 2.0), np.round(noisy / kind.unit), 0).astype(np.uint16)
    paths = tuple(folder / name for name in ("depth.png", "camera.json", "pose.json"))
    with atomic_path(paths[0]) as unfinished:
        Image.fromarray(steps).save(unfinished, "PNG")
    write_json(paths[1], {**kind.intrinsics.to_dict(), UNIT: kind.unit}, indent=2)
    write_json(paths[2], {"T_world_camera": pose.tolist()}, indent=2)
    return paths
