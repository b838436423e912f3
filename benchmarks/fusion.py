"""TSDF fusion of a 640x480 depth image: ours against Open3D's UniformTSDFVolume, in one run.

    python benchmarks/fusion.py [--quick] [--json results.json]

Three ways to the same (N, N, N) volume take turns, and medians over rounds are compared:

* ours: `fuse_tsdf` on one image, and on a batch of scenes (time per scene);
* open3d: a new volume, `integrate`, `extract_volume_tsdf` (the export as one array, which reads
  the volume without a Python loop);
* published: the same with the export of VGN, GIGA, IGD and EVG, a Python loop over the voxels of
  `extract_voxel_grid`.

The largest difference between ours and Open3D's values on seen voxels is printed as well; voxels
whose centre projects onto the border between two pixels may round either way and are counted apart.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # both on one thread, unless told otherwise

import numpy as np
import open3d as o3d
import torch
from shared.results import command_line, finish

from equigrasp.data.synthetic import random_primitives, render_primitives
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.workspace import WORKSPACE, Workspace

BATCH = 16
MATCH = 1e-4


def noisy_images(count: int) -> np.ndarray:
    """(count, 480, 640) depth images of different scenes, gamma noise, fixed view."""
    rng = np.random.default_rng(0)
    return np.stack(
        [
            apply_noise(
                render_primitives(random_primitives(rng), DEFAULT_INTRINSICS, fixed_view()),
                "gamma",
                rng,
            )
            for _ in range(count)
        ]
    )


def open3d_volume(depth: np.ndarray, resolution: int) -> Any:
    """Open3D's volume with one image integrated."""
    volume = o3d.pipelines.integration.UniformTSDFVolume(
        length=WORKSPACE.side,
        resolution=resolution,
        sdf_trunc=4 * WORKSPACE.side / resolution,
        color_type=o3d.pipelines.integration.TSDFVolumeColorType.NoColor,
    )
    k = DEFAULT_INTRINSICS
    rgbd = o3d.geometry.RGBDImage.create_from_color_and_depth(
        o3d.geometry.Image(np.zeros_like(depth)),
        o3d.geometry.Image(depth),
        depth_scale=1.0,
        depth_trunc=2.5,
        convert_rgb_to_intensity=False,
    )
    camera = o3d.camera.PinholeCameraIntrinsic(k.width, k.height, k.fx, k.fy, k.cx, k.cy)
    volume.integrate(rgbd, camera, np.linalg.inv(fixed_view()))
    return volume


def open3d_array(depth: np.ndarray, resolution: int) -> np.ndarray:
    """(N, N, N, 2): TSDF in [-1, 1], and weight, by Open3D."""
    pairs = np.asarray(open3d_volume(depth, resolution).extract_volume_tsdf())
    return pairs.reshape(resolution, resolution, resolution, 2)


def published_array(depth: np.ndarray, resolution: int) -> np.ndarray:
    """(N, N, N) in the published encoding, voxel by voxel as the published code exports it."""
    grid = np.zeros((resolution,) * 3, np.float32)
    for voxel in open3d_volume(depth, resolution).extract_voxel_grid().get_voxels():
        i, j, k = voxel.grid_index
        grid[i, j, k] = voxel.color[0]
    return grid


def alternate(variants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each variant, rounds taking turns, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, run in variants.items():
            start = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def differences(images: np.ndarray, resolution: int) -> tuple[float, float]:
    """Largest difference on matching voxels, and the share of voxels that do not match."""
    worst, apart = 0.0, 0
    for depth in images:
        oracle = open3d_array(depth, resolution)
        seen = oracle[..., 1] > 0
        expected = np.where(seen, (oracle[..., 0] + 1) / 2, 0)
        ours = fuse_tsdf(
            torch.from_numpy(depth),
            DEFAULT_INTRINSICS,
            fixed_view(),
            workspace=Workspace(resolution=resolution),
            encoding="full",
        ).numpy()
        gap = np.abs(ours - expected)
        apart += int((gap > MATCH).sum())
        worst = max(worst, float(gap[gap <= MATCH].max()))
    return worst, apart / (len(images) * resolution**3)


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = command_line(__doc__, "fusion")
    parser.add_argument("--resolution", type=int, default=40, help="voxels per side")
    arguments = parser.parse_args()

    images = noisy_images(BATCH)
    n, single = arguments.resolution, images[0]
    batch = torch.from_numpy(images)[:, None]
    poses = np.broadcast_to(fixed_view(), (BATCH, 1, 4, 4))

    def ours(depth: torch.Tensor, T: np.ndarray) -> torch.Tensor:
        return fuse_tsdf(
            depth, DEFAULT_INTRINSICS, T, workspace=Workspace(resolution=n), encoding="full"
        )

    variants = {
        "ours": lambda: ours(torch.from_numpy(single), fixed_view()),
        "ours_batch": lambda: ours(batch, poses),
        "open3d": lambda: open3d_array(single, n),
        "published": lambda: published_array(single, n),
    }
    seconds = alternate(variants, 15 if arguments.quick else 150)
    seconds["ours_batch"] /= BATCH
    worst, mismatched = differences(images[:4] if arguments.quick else images, n)
    numbers: dict[str, float] = {
        "speedup": seconds["open3d"] / seconds["ours"],
        "speedup_batch": seconds["open3d"] / seconds["ours_batch"],
        "speedup_published": seconds["published"] / seconds["ours"],
        **{f"{name}_ms": 1e3 * value for name, value in seconds.items()},
        "max_difference": worst,
        "mismatched_share": mismatched,
        "resolution": n,
        "batch": BATCH,
    }
    finish(arguments, numbers, {"open3d": o3d.__version__})


if __name__ == "__main__":
    main()
