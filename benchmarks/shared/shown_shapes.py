"""What points at the middle of shapes know of their surroundings, in scenes of `sort_shape`.

`shapes_of_scene` is a worker function: it imports a simulator, so call it by
`sim.workers.run.run_jobs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from equigrasp.policy.episodes.frames import CAMERAS
from equigrasp.policy.keyframes.clouds import CloudSettings, cloud_of_frame
from equigrasp.policy.nn.alike import alike_surroundings
from equigrasp.policy.nn.point_encoder import morton_order
from equigrasp.policy.nn.point_features import local_shape
from sim.keyframes.environment import TaskEnvironment
from sim.keyframes.seeds import EVALUATION, scene_seed
from sim.tasks.sort_shape import HEIGHT, SortShape

HIGH = (0.7, 0.5, 0.95)
"""Upper corner (m) of the box that clouds are cut to."""
NEAREST = 5
"""Points at the middle of a shape that are asked."""


def shapes_of_scene(
    index: int, sizes: Sequence[int], voxels: Sequence[float], kept: int
) -> list[dict[str, object]]:
    """What is known of every shape of a scene, lying on the table or drawn as an outline.

    Args:
        index: of the scene.
        sizes: of images, pixels per side.
        voxels: sides of a cloud's cubes, m.
        kept: so many points of a cloud are kept at most.

    Returns:
        rows with `name` of the shape, `where` ("thing" or "outline"), `size`, `voxel`, and the
        means at its middle of `local` (9,) and `alike` (7,).
    """
    environment = _environment()
    variation = index % SortShape.variations
    environment.reset("sort_shape", variation, scene_seed(EVALUATION, 1, "sort_shape", index))
    names, middles = _shown(environment)
    rows: list[dict[str, object]] = []
    for size in sizes:
        environment.image_size = size
        frame = environment.observe()
        for voxel in voxels:
            settings = CloudSettings(high=HIGH, voxel=voxel, points=kept, hand="panda")
            cloud = cloud_of_frame(frame, settings, np.random.default_rng(index))
            xyz, known = _known(cloud.xyz, cloud.rgb)
            for name, (where, middle) in zip(names, middles, strict=True):
                apart = np.abs(xyz - middle)
                apart = np.where(apart[:, 2] < HEIGHT / 4, np.hypot(*apart[:, :2].T), np.inf)
                nearest = np.argsort(apart)[:NEAREST]
                means = {feature: each[nearest].mean(0) for feature, each in known.items()}
                rows.append({"name": name, "where": where, "size": size, "voxel": voxel} | means)
    return rows


def _shown(environment: TaskEnvironment) -> tuple[list[str], list[tuple[str, NDArray]]]:
    """Names of the shapes, things first, and where their upper sides have their middle."""
    task = environment.task
    found = []
    for body in task.bodies:
        found.append(("thing", np.add(task.stage.position(body), [0, 0, HEIGHT / 2])))
    for outline in task.outlines:
        found.append(("outline", np.asarray(task.stage.position(outline), float)))
    return 2 * list(task.shown), found


def _known(xyz: NDArray, rgb: NDArray) -> tuple[NDArray, dict[str, NDArray]]:
    """Places of points in Morton order, and what each knows."""
    places, colours = torch.as_tensor(xyz)[None], torch.as_tensor(rgb)[None]
    mask = torch.ones(places.shape[:2], dtype=torch.bool)
    order = morton_order(places, mask)[0]
    places, colours = places[:, order], colours[:, order]
    known = {
        "local": local_shape(places, mask)[0].numpy(),
        "alike": alike_surroundings(places, colours, mask)[0].numpy(),
    }
    return places[0].numpy(), known


@lru_cache(maxsize=1)
def _environment() -> TaskEnvironment:
    torch.set_num_threads(1)
    return TaskEnvironment(CAMERAS)
