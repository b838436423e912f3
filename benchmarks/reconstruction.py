"""How well the occupancy heads reconstruct: predicted meshes against the true ones.

    python benchmarks/reconstruction.py [--quick] [--json results.json] [--record]

Scenes of test objects of the default sets, as `sim/clutter_eval.py` builds them; one depth image
each, fixed view, gamma noise, rectified with the table. `GraspPlanner.reconstruct` gives a mesh,
once as it is and once with the smoothing of PyMCubes. As GIGA reports: intersection over union,
Chamfer-L1 (mm), normal consistency and F-score at 1 % of the cube's side (3 mm), from 100,000
points each; all objects of a scene count as one shape, hidden and lower sides included.

Headline figures, of the mesh as it is: KIND_MODEL_iou, _chamfer_mm, _normals, _f_score and
_mesh_ms (depth image to mesh); those of the smoothed one end in _smooth.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import trimesh
from shared.mesh_metrics import likeness
from shared.reconstruction_table import markdown
from shared.results import command_line, finish

from equigrasp.data.files import write_atomically
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.noise import apply_noise
from equigrasp.planner import GraspPlanner
from equigrasp.scene_mesh import SceneMesh
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_lists import build_scene_list
from sim.objects.load import load_objects
from sim.scene.kinds import find_kind, scene_kinds
from sim.scene.renderer import SceneGeometry, scene_geometry

MODELS = ("giga", "equigiga", "equiigd")
Measured = dict[str, list[float]]


def main() -> None:
    """Measure, print, and write what is asked for."""
    arguments = parser().parse_args()
    count = arguments.scenes or (1 if arguments.quick else 20)
    numbers: dict[str, float] = {}
    kinds = [name for name, kind in scene_kinds().items() if kind.trained_as == name]
    for kind in kinds:
        scenes = test_scenes(kind, count, arguments.seed)
        for name in arguments.models:
            planner = GraspPlanner.from_pretrained(f"{name}_{kind}")
            surfaces = (False,) if arguments.no_smooth else (False, True)
            found = compare(planner, scenes, arguments.resolution, surfaces)
            for smooth, measured in found.items():
                ending = "_smooth" if smooth else ""
                means = {key: float(np.nanmean(values)) for key, values in measured.items()}
                numbers |= {f"{kind}_{name}_{key}{ending}": v for key, v in means.items()}
    numbers["scenes"] = count
    print(markdown(numbers))
    if arguments.record:
        text = f"# Predicted shapes\n\n{markdown(numbers)}\n"
        write_atomically(arguments.result.with_suffix(".md"), text)
    finish(arguments, numbers, {"resolution": arguments.resolution})


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "reconstruction")
    found.add_argument("--scenes", type=int, help="of each kind (default 20, quick 1)")
    found.add_argument("--models", nargs="+", default=list(MODELS), help="of shipped weights")
    found.add_argument("--resolution", type=int, default=80, help="lattice points per side")
    found.add_argument(
        "--no-smooth", action="store_true", help="leave out smoothed meshes: seconds each"
    )
    found.add_argument("--seed", type=int, default=0)
    return found


def test_scenes(kind: str, count: int, seed: int) -> list[SceneGeometry]:
    """Geometry of scenes of test objects."""
    settings = EvalSettings(scene=kind)
    scenes = build_scene_list(settings, [(seed, index) for index in range(count)], workers=1)
    specs = load_objects(settings.objects, find_kind(kind).objects, settings.split, report=[])
    return [scene_geometry(scene, specs) for scene in scenes.values() if scene.bodies]


def compare(
    planner: GraspPlanner,
    scenes: list[SceneGeometry],
    resolution: int,
    surfaces: Sequence[bool] = (False, True),
) -> dict[bool, Measured]:
    """Figures of every scene, of meshes as they are and, last, of smoothed ones."""
    found: dict[bool, Measured] = {smooth: {} for smooth in surfaces}
    for index, geometry in enumerate(scenes):
        rng = np.random.default_rng(index)
        image = geometry.render(DEFAULT_INTRINSICS, fixed_view())
        depth = apply_noise(image, "gamma", rng)
        bodies = [geometry.mesh(body) for body in range(len(geometry))]
        start = time.perf_counter()
        shape = planner.reconstruct(depth, DEFAULT_INTRINSICS, fixed_view(), resolution=resolution)
        took = time.perf_counter() - start
        for smooth in surfaces:
            if smooth:
                start = time.perf_counter()
                shape = SceneMesh.of(shape.occupancy, planner.workspace.side, smooth=True)
                took += time.perf_counter() - start
            values = figures(shape.to_trimesh(), bodies, planner.workspace.side, rng)
            for key, value in {**values, "mesh_ms": 1e3 * took}.items():
                found[smooth].setdefault(key, []).append(value)
    return found


def figures(
    mesh: trimesh.Trimesh,
    bodies: list[trimesh.Trimesh],
    side: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Likeness by the names of the headline."""
    like = likeness(mesh, bodies, side, rng)
    return {
        "iou": like.iou,
        "chamfer_mm": 1e3 * like.chamfer,
        "normals": like.normals,
        "f_score": like.f_score,
    }


if __name__ == "__main__":
    main()
