"""A robot that puts its tip on a block, as two cameras see it; the table is the world's z = 0."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.data.synthetic import Primitive, render_primitives
from equigrasp.geometry.transforms import look_at, make_transform
from equigrasp.perception.camera import Intrinsics
from equigrasp.policy.recording.recorder import Recorder
from equigrasp.policy.recording.rig import Rig, RigCamera

BLOCK = Primitive(np.array([0.45, 0.05, 0.03]), np.array([0.03, 0.03, 0.03]), 0.3)
COUNT, CLOSES = 8, 4
SENTENCES = ["take the block", "grasp it"]


class Robot:
    """Frames of its demonstration; images depend on the frame alone."""

    block = BLOCK

    def __init__(self):
        wrist = make_transform(np.eye(3), [0.0, 0.05, -0.2])  # above the fingers, looks along them
        self.rig = Rig(
            {
                "front": RigCamera(
                    Intrinsics(64, 48, 60.0, 61.0, 29.5, 25.0),
                    look_at([1.1, 0.1, 0.5], [0.4, 0.0, 0.0]),
                    depth_scale=0.001,
                ),
                "wrist": RigCamera(Intrinsics(40, 32, 42.0, 42.0, 20.0, 16.0), wrist, on_tip=True),
            }
        )
        self.count = COUNT

    def tip(self, index):
        down = Rotation.from_euler("xyz", [180, 0, 10 * index], degrees=True).as_matrix()
        return make_transform(down, [0.45, 0.05, 0.3 - 0.03 * min(index, CLOSES)])

    def gripper(self, index):
        return 1.0 if index < CLOSES else 0.4

    def looks(self, index):
        random, found = np.random.default_rng(index), {}
        for name, camera in self.rig.cameras.items():
            pose = camera.world_pose(self.tip(index))
            depth = render_primitives([BLOCK], camera.intrinsics, pose, table_height=0.0)
            rgb = random.integers(0, 256, (*depth.shape, 3), dtype=np.uint8)
            whole = np.rint(1000 * depth).astype(np.uint16)
            found[name] = (rgb, whole if name == "front" else depth.astype(np.float32))
        return found

    def frame(self, index):
        return self.rig.frame(self.looks(index), self.tip(index), self.gripper(index))

    def record(self, root, task="take_block", marks=()):
        with Recorder(root, task, SENTENCES, self.rig) as recorder:
            for index in range(self.count):
                recorder.add(self.looks(index), self.tip(index), self.gripper(index))
                if index in marks:
                    recorder.mark()
        return recorder.folder


@pytest.fixture(scope="session")
def robot():
    return Robot()
