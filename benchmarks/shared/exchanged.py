"""Frames of one scene before and after the answer to a question is exchanged, and what differs.

`compare` is a worker function: it imports a simulator, so call it by `sim.workers.run.run_jobs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from equigrasp.policy.episodes.frames import CAMERAS, Frame
from equigrasp.policy.keyframes.clouds import Cloud, CloudSettings, cloud_of_frame
from sim.keyframes.environment import TaskEnvironment
from sim.keyframes.seeds import EVALUATION, scene_seed

SHADE, DEPTH = 8, 0.001
"""A pixel differs where a colour does by more than this (of 255), or the depth by more (m)."""
MOVED, TINTED = 0.001, 0.06
"""A point differs by more than this (m) in its place, or by this in a colour in [-1, 1]."""
EVERY_POINT = 10**6


def compare(
    question: str, index: int, sizes: Sequence[int], voxels: Sequence[float], kept: int
) -> dict[str, float]:
    """What of a scene differs once the answer is exchanged.

    Args:
        question: one of `QUESTIONS`.
        index: of the scene.
        sizes: of images, pixels per side.
        voxels: sides of a cloud's cubes, m.
        kept: so many points of a cloud go into a policy at most.

    Returns:
        by size: `pixels_SIZE`, of all cameras; by size and voxel in mm: `points_SIZE_MM`, of the
        whole cloud, and `kept_SIZE_MM`, how many of them are expected to be left after thinning.
    """
    environment = _environment()
    exchange = QUESTIONS[question](environment, index)
    before = {size: _seen(environment, size) for size in sizes}
    exchange()
    found: dict[str, float] = {}
    for size, first in before.items():
        second = _seen(environment, size)
        found[f"pixels_{size}"] = differing_pixels(first, second)
        for voxel in voxels:
            name = f"{size}_{1000 * voxel:g}"
            settings = CloudSettings(voxel=voxel, points=EVERY_POINT)
            clouds = [cloud_of_frame(frame, settings) for frame in (first, second)]
            points = differing_points(*clouds, voxel)
            found[f"points_{name}"] = points
            found[f"kept_{name}"] = points * min(1.0, kept / len(clouds[0].xyz))
    return found


def differing_pixels(first: Frame, second: Frame) -> int:
    """Pixels of all cameras in which a colour or the depth is another one."""
    count = 0
    for name, image in first.images.items():
        other = second.images[name]
        shade = np.abs(image.rgb.astype(int) - other.rgb.astype(int)).max(-1) > SHADE
        count += int((shade | (np.abs(image.depth - other.depth) > DEPTH)).sum())
    return count


def differing_points(first: Cloud, second: Cloud, voxel: float) -> int:
    """Points of a cloud for which there is none alike in the same cube of another cloud.

    Args:
        first, second: one point in every cube that holds some.
        voxel: side of the cubes, m.
    """
    known = dict(zip(_cubes(second, voxel), np.hstack(second), strict=True))
    limits = np.array([MOVED] * 3 + [TINTED] * 3)
    alike = [
        cube in known and bool((np.abs(known[cube] - row) <= limits).all())
        for cube, row in zip(_cubes(first, voxel), np.hstack(first), strict=True)
    ]
    return len(alike) - sum(alike)


def which_shape(environment: TaskEnvironment, index: int) -> Callable[[], None]:
    """Sort shapes: the one that is named changes places with another."""
    environment.reset("sort_shape", index % 5, _seed("sort_shape", index))
    task = environment.task
    return lambda: _swap_places(environment, *task.bodies[:2])


def which_hole(environment: TaskEnvironment, index: int) -> Callable[[], None]:
    """Sort shapes: with the shape in the air, its outline changes places with another."""
    environment.reset("sort_shape", index % 5, _seed("sort_shape", index))
    task = environment.task
    _act(environment, 3)
    return lambda: _swap_places(environment, *task.outlines[:2])


def which_button(environment: TaskEnvironment, index: int) -> Callable[[], None]:
    """Press buttons: with the fingers on the first, its colour changes with that of the second."""
    environment.reset("press_buttons", 3 * index % 18 + 1, _seed("press_buttons", index))
    buttons = environment.task.buttons[:2]
    _act(environment, 2)
    p = environment.stage.p
    colours = [p.getVisualShapeData(button)[1][7] for button in buttons]

    def exchange() -> None:
        for button, colour in zip(buttons, reversed(colours), strict=True):
            p.changeVisualShape(button, 0, rgbaColor=colour)

    return exchange


def which_pressed(environment: TaskEnvironment, index: int) -> Callable[[], None]:
    """Press buttons: above the first one, it was pressed, or it was not."""
    scene = "press_buttons", 3 * index % 18 + 1, _seed("press_buttons", index)
    environment.reset(*scene)
    above = next(environment.task.waypoints())
    _act(environment, 2)
    environment.act(above.pose, above.open)
    p = environment.stage.p
    count = p.getNumJoints(environment.arm.body)
    joints = [p.getJointState(environment.arm.body, joint)[0] for joint in range(count)]

    def exchange() -> None:
        environment.reset(*scene)
        for joint, value in enumerate(joints):
            p.resetJointState(environment.arm.body, joint, value)

    return exchange


QUESTIONS = {
    "which_shape": which_shape,
    "which_hole": which_hole,
    "which_button": which_button,
    "which_pressed": which_pressed,
}
"""Each puts up a scene of a number, and returns what exchanges the answer in it."""


def _act(environment: TaskEnvironment, count: int) -> None:
    """Play the first waypoints of the script."""
    waypoints = environment.task.waypoints()
    for _ in range(count):
        waypoint = next(waypoints)
        environment.act(waypoint.pose, waypoint.open)


def _swap_places(environment: TaskEnvironment, first: int, second: int) -> None:
    """Two bodies change places; each keeps its own turn."""
    p = environment.stage.p
    (here, turn), (there, other) = (
        p.getBasePositionAndOrientation(body) for body in (first, second)
    )
    p.resetBasePositionAndOrientation(first, there, turn)
    p.resetBasePositionAndOrientation(second, here, other)


def _seen(environment: TaskEnvironment, size: int) -> Frame:
    environment.image_size = size
    return environment.observe()


def _cubes(cloud: Cloud, voxel: float) -> list[tuple[int, ...]]:
    return [tuple(row) for row in np.floor(cloud.xyz.astype(float) / voxel).astype(int).tolist()]


def _seed(task: str, index: int) -> int:
    return scene_seed(EVALUATION, 0, task, index)


@lru_cache(maxsize=1)
def _environment() -> TaskEnvironment:
    return TaskEnvironment(CAMERAS)
