"""Plan grasps for a depth image and its camera, read from files.

    python examples/plan_from_files.py --make looks/        # writes an example pair of files
    python examples/plan_from_files.py looks/depth.npy looks/camera.json --model equigiga_pile
    python examples/plan_from_files.py looks/depth.npy looks/camera.json --shape looks/scene.ply

`depth.npy` is (height, width) in metres; `camera.json` holds `width`, `height`, `fx`, `fy`, `cx`,
`cy` and `T_world_camera` (4 x 4, in the workspace frame: see docs/conventions.md).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from equigrasp import GraspPlanner, Intrinsics
from equigrasp.data.synthetic import random_primitives, render_primitives
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view


def plan(depth_file: Path, camera_file: Path, model: str, shape: Path | None) -> list[dict]:
    """Ranked grasps: pose (4 x 4), opening (m), score. Writes the predicted shape if asked."""
    camera = json.loads(camera_file.read_text())
    T_world_camera = np.array(camera.pop("T_world_camera"))
    planner = GraspPlanner.from_pretrained(model)
    view = np.load(depth_file), Intrinsics.from_dict(camera), T_world_camera
    result = planner.plan(*view)
    if shape is not None:
        planner.reconstruct(*view).save(shape)
    print(f"{len(result.grasps)} grasps ({result.reason}), {result.timings['total']:.2f} s")
    return [
        {"pose": g.T_world_grasp.tolist(), "width": g.width, "score": g.score}
        for g in result.grasps
    ]


def make_example(folder: Path) -> None:
    """Write the image of a made-up scene and its camera."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = random_primitives(np.random.default_rng(0))
    np.save(folder / "depth.npy", render_primitives(objects, DEFAULT_INTRINSICS, fixed_view()))
    camera = {**DEFAULT_INTRINSICS.to_dict(), "T_world_camera": fixed_view().tolist()}
    (folder / "camera.json").write_text(json.dumps(camera, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="depth.npy camera.json")
    parser.add_argument("--model", default="equigiga_pile", help="shipped name or saved weights")
    parser.add_argument("--shape", type=Path, help="write the predicted shape of the scene here")
    parser.add_argument("--make", type=Path, metavar="DIR", help="write example files here")
    options = parser.parse_args()
    if options.make:
        make_example(options.make)
    else:
        print(json.dumps(plan(*options.files, options.model, options.shape), indent=1))
