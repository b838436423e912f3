"""What a planner under test gets to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equigrasp.grasp import Grasp
from equigrasp.perception.camera import Intrinsics

if TYPE_CHECKING:
    from sim.clutter.attempts import Rehearsal
    from sim.scene.renderer import SceneGeometry
    from sim.scene.simulator import Simulator


@dataclass
class SceneView:
    """What a planner gets: the noisy depth, and for the oracle the truth.

    Attributes:
        depth: (H, W) metres after noise; clean_depth the same before it.
        intrinsics, T_world_camera: the camera, in the workspace frame.
        geometry, world: meshes and simulation as they stand (privileged).
        rng: the planner's own source of randomness.
        more: depth after noise and `T_world_camera` of further views, where there are any.
        avoid: grasps that failed at what stands there still, where planners may learn of them.
        rehearse: tells what an attempt at a grasp would come to, bit for bit (privileged).
    """

    depth: np.ndarray
    clean_depth: np.ndarray
    intrinsics: Intrinsics
    T_world_camera: np.ndarray
    geometry: SceneGeometry
    world: Simulator
    rng: np.random.Generator
    rehearse: Rehearsal
    more: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
    avoid: tuple[Grasp, ...] = ()
