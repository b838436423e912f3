"""A hand of a user's own: a URDF with other frames, names and joints, and a YAML file."""

import numpy as np
import pytest
import trimesh

from data_gen.generate import generate_scene
from data_gen.settings import DataDesign, SceneSettings
from equigrasp.hand import load_hand
from sim.grasping.body import gripper_hulls, hand_parts
from sim.scene.kinds import find_kind
from sim.testing.hand_contract import HandContract

URDF = """<robot name="tongs">
  <link name="flange">
    <inertial><origin xyz="0 0.01 0"/><mass value="0.2"/></inertial>
    <collision>
      <origin xyz="0 0.025 0" rpy="1.5707963 0 0"/>
      <geometry><cylinder radius="0.02" length="0.05"/></geometry>
    </collision>
  </link>
  <link name="body">
    <inertial><mass value="0.6"/></inertial>
    <collision><geometry><box size="0.1 0.03 0.04"/></geometry></collision>
  </link>
  <joint name="screws" type="fixed">
    <parent link="flange"/><child link="body"/><origin xyz="0 0.065 0"/>
  </joint>
  <link name="jaw_a"/>
  <link name="jaw_b"/>
  <joint name="slide_a" type="prismatic">
    <parent link="body"/><child link="jaw_a"/><origin xyz="0.05 0.005 0"/><axis xyz="-1 0 0"/>
    <limit lower="0" upper="0.035" effort="10" velocity="1"/>
  </joint>
  <joint name="slide_b" type="prismatic">
    <parent link="body"/><child link="jaw_b"/><origin xyz="-0.05 0.005 0" rpy="0 3.1415927 0"/>
    <axis xyz="-1 0 0"/><limit lower="0" upper="0.035" effort="10" velocity="1"/>
  </joint>
  <link name="pad_a">{pad}</link>
  <link name="pad_b">{pad}</link>
  <joint name="glue_a" type="fixed">
    <parent link="jaw_a"/><child link="pad_a"/><origin xyz="-0.01 0.025 0"/>
  </joint>
  <joint name="glue_b" type="fixed">
    <parent link="jaw_b"/><child link="pad_b"/><origin xyz="-0.01 0.025 0"/>
  </joint>
</robot>"""
PAD = """<inertial><mass value="0.05"/></inertial><collision><geometry>
<mesh filename="package://tongs/meshes/pad.stl" scale="0.001 0.001 0.001"/>
</geometry></collision>"""
TONGS = URDF.format(pad=PAD)
YAML = """
name: tongs
opening: 0.07
finger_depth: 0.04
tcp_from_base: 0.12
base_rpy: [1.5707963, 0.0, 1.5707963]  # x closes, y approaches
palm_box: {lower: [-0.02, -0.05, -0.12], upper: [0.02, 0.05, -0.04]}
finger_box: {lower: [-0.01, 0.0, -0.05], upper: [0.01, 0.01, 0.0]}
urdf: urdf/tongs.urdf
finger_joints: [slide_a, slide_b]
"""


def write_tongs(folder, urdf=TONGS, yaml=YAML):
    """A hand in the layout of a ROS package, in a base frame turned against the grasp frame.

    Its joints are at zero where it is open; each finger is a pad that is glued to a jaw.
    """
    (folder / "urdf").mkdir()
    (folder / "meshes").mkdir()
    (folder / "urdf" / "tongs.urdf").write_text(urdf)
    trimesh.creation.box((10.0, 50.0, 20.0)).export(folder / "meshes" / "pad.stl")
    (folder / "tongs.yaml").write_text(yaml)
    return load_hand(folder / "tongs.yaml")


class TestTongs(HandContract):
    @pytest.fixture(autouse=True)
    def _tongs(self, tmp_path):
        self.hand = write_tongs(tmp_path)


def test_links_are_gathered_in_the_grasp_frame(tmp_path):
    hand = write_tongs(tmp_path)
    palm, left, right = gripper_hulls(hand)
    assert [len(part) for part in (palm, left, right)] == [2, 1, 1]
    for (hull,), low, high in ((left, 0.035, 0.045), (right, -0.045, -0.035)):
        np.testing.assert_allclose(hull.bounds, [[-0.01, low, -0.05], [0.01, high, 0]], atol=1e-6)
    body = [[-0.02, -0.05, -0.07], [0.02, 0.05, -0.04]]
    np.testing.assert_allclose(palm[1].bounds, body, atol=1e-6)


def test_masses_are_those_of_the_links(tmp_path):
    palm, left, right = hand_parts(write_tongs(tmp_path))
    assert palm.mass == pytest.approx(0.8)
    np.testing.assert_allclose(palm.com, (0, 0, (0.2 * 0.01 + 0.6 * 0.065) / 0.8), atol=1e-6)
    assert left.mass == right.mass == 0.05
    np.testing.assert_allclose(left.com, (0, 0.005, 0.095), atol=1e-6)


def test_links_without_mass_weigh_what_the_hand_says(tmp_path):
    light = TONGS.replace("<mass", "<weight")
    palm, left, _ = hand_parts(write_tongs(tmp_path, light, YAML + "masses: [0.7, 0.02]\n"))
    assert (palm.mass, left.mass) == (0.7, 0.02)
    np.testing.assert_allclose(palm.com, (0, 0, 0.04), atol=1e-6)


def test_scenes_are_generated_for_it(tmp_path):
    settings = SceneSettings(
        grasps_per_scene=20, objects="random_urdfs", occupancy_points=10, view="fixed"
    )
    design = DataDesign(find_kind("packed"), 1, settings, write_tongs(tmp_path))
    record = generate_scene(design, 0)
    assert record.yaw_width.max() == pytest.approx(0.07, abs=1e-3)
    assert record.yaw_success.any()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('type="fixed"', 'type="revolute"', "moving joints .*'glue_a'.*fix or remove the others"),
        ('name="slide_a" type="prismatic"', 'name="slide_a" type="revolute"', "'slide_a'"),
        ('name="slide_b"', 'name="slide_c"', r"\['slide_a', 'slide_c'\].*to be 'slide_b'"),
        ('axis xyz="-1 0 0"', 'axis xyz="0 1 0"', "moves 'slide_a' across the closing direction"),
        ('upper="0.035"', 'upper="0.02"', "'slide_a' move from 0.0 to 0.02 m.*0.0350 m"),
        ('child link="body"', 'child link="boot"', "2 links that hang on none"),
        ("package://tongs/meshes/pad.stl", "pad.obj", "refers to a missing mesh 'pad.obj'"),
        ('xyz="-0.01 0.025 0"', 'xyz="-0.01 -0.1 0"', "does not reach past its root"),
        ("<collision>", "<visual>", "mismatched tag|no readable URDF"),
        ('xyz="0 0.065 0"', 'xyz="0 0.065"', "'0 0.065' where three numbers are needed"),
        ('<parent link="jaw_a"/>', '<parent link="body"/>', "finger of 'slide_a'"),
    ],
)
def test_what_is_no_hand_is_refused_with_its_reason(tmp_path, old, new, said):
    assert old in TONGS
    hand = write_tongs(tmp_path, TONGS.replace(old, new))
    with pytest.raises(ValueError, match=f"tongs.urdf' of the hand 'tongs' .*({said})"):
        hand_parts(hand)


def test_a_hand_from_a_card_says_that_its_file_is_missing(tmp_path):
    hand = write_tongs(tmp_path)
    with pytest.raises(ValueError, match="'tongs.urdf' of the hand 'tongs' is no readable URDF"):
        hand_parts(type(hand).of(hand.to_dict()))
