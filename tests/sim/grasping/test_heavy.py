"""Labels of heavy things: what creeps out of the hand is no success, however steady the fingers."""

import numpy as np
import pytest
import trimesh

from sim.grasping.fast_trial import HEAVY, load_share
from sim.grasping.gripper import Gripper
from sim.grasping.label import grasp_poses, label_fast
from sim.grasping.propose import propose
from sim.grasping.trial import execute_grasp
from sim.scene.renderer import SceneGeometry
from sim.scene.world import World

SIDES = (0.06, 0.068, 0.09)
URDF = """<robot name="x"><link name="base"><inertial><mass value="{mass}"/>
<inertia ixx="{i}" ixy="0" ixz="0" iyy="{i}" iyz="0" izz="{i}"/></inertial>
<collision><geometry><box size="{sides}"/></geometry></collision></link></robot>"""


class Block:
    """A block at rest in the middle of the table, in as many fresh worlds as are asked for."""

    def __init__(self, folder, mass):
        self.urdf = folder / f"block{mass}.urdf"
        sides = " ".join(map(str, SIDES))
        self.urdf.write_text(URDF.format(mass=mass, i=mass * 1e-3, sides=sides))
        self.T = np.eye(4)
        with World() as world:
            centre = world.workspace.side / 2
            self.T[:3, 3] = centre, centre, world.workspace.table_height + SIDES[2] / 2
        self.geometry = SceneGeometry([(trimesh.creation.box(SIDES), 1.0, self.T)])
        self.candidates = propose(self.geometry, np.random.default_rng(0), 80)

    def load(self, world):
        world.reset()
        world.load_table()
        return world.load_object(self.urdf, self.T)

    def label(self):
        with World() as world:
            self.load(world)
            rng = np.random.default_rng(0)
            return label_fast(world, self.geometry, self.candidates, rng, 0.0)

    def holds(self, index):
        """Whether a yaw holds in the full trial, in a world of its own."""
        with World() as world:
            self.load(world)
            return execute_grasp(world, Gripper(world), grasp_poses(self.candidates)[index]).success


@pytest.fixture(scope="module", params=[0.1, 1.0, 1.6])
def block(request, tmp_path_factory):
    return Block(tmp_path_factory.mktemp("block"), request.param)


@pytest.fixture(scope="module")
def labels(block):
    return block.label()


def test_what_is_called_good_holds_in_a_full_trial_in_a_fresh_world(block, labels):
    good = [tuple(index) for index in np.argwhere(labels.yaw_success)]
    assert len(good) >= 2
    held = [block.holds(index) for index in good]
    assert np.mean(held) >= 0.985, f"{sum(held)} of {len(held)}"


def test_the_same_scene_in_another_world_gets_the_same_labels(block, labels):
    again = block.label()
    for name, values in vars(labels).items():
        assert np.array_equal(values, vars(again)[name], equal_nan=True)


@pytest.mark.parametrize(("mass", "heavy"), [(0.1, False), (0.6, True)])
def test_what_is_heavy_hangs_on_what_the_fingers_can_hold(tmp_path, mass, heavy):
    block = Block(tmp_path, mass)
    with World() as world:
        body = block.load(world)
        gripper = Gripper(world)
        assert (load_share(world, gripper, body) >= HEAVY) is heavy
        friction = world.p.getDynamicsInfo(body, -1)[1]
        expected = mass * 9.81 / (2 * 20 * friction)
        assert load_share(world, gripper, body) == pytest.approx(expected)
