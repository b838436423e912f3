"""Bodies of hands: read from boxes and meshes, and the same in simulation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pybullet_data
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from equigrasp.hand import PANDA, Box, Hand
from sim.grasping.body import gripper_hulls, hand_parts
from sim.grasping.gripper import Gripper
from sim.grasping.parts import COPIES, SHIPPED
from sim.scene.world import World

BOXES = Hand(
    name="boxes",
    opening=0.06,
    finger_depth=0.04,
    tcp_from_base=0.1,
    palm_box=Box((-0.02, -0.05, -0.1), (0.02, 0.05, -0.04)),
    finger_box=Box((-0.01, 0.0, -0.04), (0.01, 0.012, 0.0)),
)


def test_boxes_are_the_hulls_of_a_hand_without_meshes():
    (palm,), (left,), (right,) = gripper_hulls(BOXES, 0.02)
    np.testing.assert_allclose(palm.bounds, BOXES.palm_box, atol=1e-12)
    np.testing.assert_allclose(left.bounds, np.add(BOXES.finger_box, (0, 0.01, 0)), atol=1e-12)
    np.testing.assert_allclose(right.bounds[:, 1], (-0.022, -0.01), atol=1e-12)
    widest = gripper_hulls(BOXES)
    assert widest[1][0].bounds[0, 1] == pytest.approx(0.03)


def test_the_mass_of_a_box_lies_in_its_middle():
    palm, left, right = hand_parts(BOXES)
    np.testing.assert_allclose(palm.com, (0, 0, 0.03), atol=1e-12)
    np.testing.assert_allclose(left.com, (0, 0.006, 0.08), atol=1e-12)
    np.testing.assert_allclose(right.com, (0, -0.006, 0.08), atol=1e-12)


def test_a_turned_base_turns_the_meshes_with_it(tmp_path):
    """The same meshes in a base frame of other axes make the same hand."""
    turn = (0.3, -0.8, 1.9)
    back = np.eye(4)
    back[:3, :3] = Rotation.from_euler("xyz", turn).as_matrix().T
    files = {}
    for part, box in (("palm", BOXES.palm_box), ("finger", BOXES.finger_box)):
        mesh = trimesh.creation.box(bounds=np.add(box, (0.0, 0.0, BOXES.tcp_from_base)))
        mesh.apply_transform(back).export(tmp_path / f"{part}.obj")
        files[f"{part}_mesh"] = str(tmp_path / f"{part}.obj")
    turned = replace(BOXES, name="turned", base_rpy=turn, **files)
    for ours, theirs in zip(gripper_hulls(turned), gripper_hulls(BOXES), strict=True):
        np.testing.assert_allclose(ours[0].bounds, theirs[0].bounds, atol=1e-7)
    with World() as world:
        table = world.load_table()
        for seed in range(4):
            T = np.eye(4)
            T[:3, :3] = Rotation.random(random_state=seed).as_matrix()
            T[:3, 3] = 0.15, 0.15, 0.4
            lowest = []
            for hand in (turned, BOXES):
                gripper = Gripper(world, hand)
                gripper.load(T, 0.03)
                np.testing.assert_allclose(gripper.tcp_position(), T[:3, 3], atol=1e-9)
                points = world.p.getClosestPoints(gripper.body, table, 1.0)
                lowest.append([min(q[8] for q in points if q[3] == link) for link in (-1, 0, 1)])
                gripper.unload()
            np.testing.assert_allclose(*lowest, atol=1e-5)


def test_a_mesh_that_is_not_there_is_named(tmp_path):
    hand = replace(PANDA, palm_mesh=str(tmp_path / "none.obj"))
    with pytest.raises(ValueError, match=r"none\.obj.*'panda'"):
        hand_parts(hand)


def test_the_panda_needs_no_pybullet():
    """Its meshes are here, byte for byte those that come with PyBullet."""
    for name in (PANDA.palm_mesh, PANDA.finger_mesh):
        name = name.removeprefix(SHIPPED)
        original = Path(pybullet_data.getDataPath()) / name
        assert (COPIES / name).read_bytes() == original.read_bytes()
