"""A scene in which no pose survives the sweep is labelled like any other."""

import numpy as np
import trimesh

from equigrasp.hand import PANDA
from sim.grasping.sweep import ray_collision, region_empty
from sim.scene.renderer import SceneGeometry


def test_no_poses_give_no_verdicts():
    T = np.eye(4)
    T[:3, 3] = (0.15, 0.15, 0.08)
    geometry = SceneGeometry([(trimesh.creation.box((0.04, 0.04, 0.06)), 1.0, T)])
    none = np.zeros((0, 4, 4))
    assert ray_collision(geometry, none, PANDA).shape == (0,)
    assert region_empty(geometry, none, PANDA).shape == (0,)
