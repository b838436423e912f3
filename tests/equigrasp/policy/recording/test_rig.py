"""Frames of a camera set-up: where their points lie, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from equigrasp.geometry.transforms import make_transform
from equigrasp.perception.camera import Intrinsics, depth_to_points
from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.frames import FrameCamera
from equigrasp.policy.recording.motion import opening, tip_pose
from equigrasp.policy.recording.rig import FAR, Rig, RigCamera


def test_points_are_those_of_a_pinhole_camera_with_positive_focal_lengths(robot):
    """The oracle is the planner's own projection, which knows nothing of RLBench's cameras."""
    frame = robot.frame(3)
    for name, (_, depth) in robot.looks(3).items():
        camera = robot.rig.cameras[name]
        metres = depth * np.float32(0.001) if depth.dtype == np.uint16 else depth
        expected = depth_to_points(metres, camera.intrinsics, camera.world_pose(robot.tip(3)))
        seen = FrameCamera.of(frame.state, name)
        assert seen.intrinsics[0, 0] < 0
        assert seen.intrinsics[1, 1] < 0
        found = point_cloud(frame.images[name].depth, seen).reshape(-1, 3)
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_the_block_lies_where_it_stands(robot):
    frame = robot.frame(0)
    for name in ("front", "wrist"):
        camera = FrameCamera.of(frame.state, name)
        points = point_cloud(frame.images[name].depth, camera).reshape(-1, 3)
        off = points - robot.block.centre
        on_block = off[(points[:, 2] > 0.01) & (np.abs(off[:, :2]) < 0.2).all(1)]
        assert len(on_block) > 10
        assert robot.block.contains(robot.block.centre + 0.97 * on_block).mean() > 0.9


def test_a_camera_with_positive_focal_lengths_gives_the_same_points(robot):
    """Files of others may keep OpenCV's axes: matrices and pose agree, and that is all it takes."""
    seen = FrameCamera.of(robot.frame(1).state, "front")
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    theirs = replace(
        seen,
        extrinsics=seen.extrinsics @ flip,
        intrinsics=seen.intrinsics * [[-1, 1, 1], [1, -1, 1], [1, 1, 1]],
    )
    depth = robot.frame(1).images["front"].depth
    np.testing.assert_allclose(point_cloud(depth, theirs), point_cloud(depth, seen), atol=1e-12)


def test_a_camera_on_the_tip_moves_with_it_and_one_may_tell_its_pose(robot):
    first, second = (FrameCamera.of(robot.frame(i).state, "wrist").extrinsics for i in (0, 2))
    assert np.abs(first - second).max() > 0.05
    told = make_transform(np.eye(3), [0.4, 0.0, -0.9])
    rig = Rig({"wrist": replace(robot.rig.cameras["wrist"], pose=None, on_tip=False)})
    look = {"wrist": robot.looks(0)["wrist"]}
    frame = rig.frame(look, robot.tip(0), 1, camera_poses={"wrist": told})
    np.testing.assert_allclose(FrameCamera.of(frame.state, "wrist").extrinsics[:3, 3], told[:3, 3])
    with pytest.raises(ValueError, match="camera 'wrist': nothing tells its pose"):
        rig.frame(look, robot.tip(0), 1)


def test_holes_lie_far_outside_and_never_at_the_camera(robot):
    looks = robot.looks(0)
    rgb, depth = looks["front"]
    depth = depth.copy()
    depth[:10] = 0
    depth[10:12] = 65535
    frame = robot.rig.frame({**looks, "front": (rgb, depth)}, robot.tip(0), 1)
    assert (frame.images["front"].depth[:12] == FAR).all()
    assert (frame.images["front"].depth[12:] < FAR).all()


def test_a_bent_lens_is_undone_for_colours_and_depth(robot):
    camera = robot.rig.cameras["front"]
    bent = Rig({"front": replace(camera, lens=np.array([0.2, 0.0, 0.0, 0.0]))})
    height, width = 48, 64
    columns = np.broadcast_to(np.arange(width, dtype=np.uint8)[None, :, None], (height, width, 3))
    depth = np.broadcast_to(np.arange(width) + 500, (height, width)).astype(np.uint16)
    image = bent.frame({"front": (columns, depth)}, robot.tip(0), 1).images["front"]
    seen = image.depth < FAR
    np.testing.assert_allclose(
        image.depth[seen], 0.001 * (image.rgb[seen][:, 0] + 500.0), atol=1e-6
    )
    assert (image.rgb[..., 0] != columns[..., 0]).mean() > 0.2


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        (np.zeros(7), "unit quaternion"),
        (np.full(7, np.nan), "unit quaternion"),
        ("here", "not an array of numbers"),
        (np.ones(6), "shape"),
        (np.diag([1.0, 1.0, -1.0, 1.0]), "mirrored"),
    ],
)
def test_poses_that_are_none_are_refused(pose, message):
    with pytest.raises(ValueError, match=message):
        tip_pose(pose)


def test_a_pose_is_the_same_in_all_its_forms(robot):
    matrix = robot.tip(3)
    quaternion = robot.frame(3).state.gripper_pose
    np.testing.assert_allclose(tip_pose(quaternion), matrix, atol=1e-12)
    np.testing.assert_allclose(tip_pose(matrix.ravel()), matrix)


@pytest.mark.parametrize("share", [2, -1, np.nan, None, "open", [1, 0]])
def test_openings_that_are_no_share_are_refused(share):
    with pytest.raises(ValueError, match="--widest"):
        opening(share)


def changed(robot, name, rgb=None, depth=None):
    looks = robot.looks(0)
    return {**looks, name: (looks[name][0] if rgb is None else rgb, depth)}


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (np.zeros((48, 64), np.uint16), "no reading at all"),
        (np.ones((24, 32), np.float32), "register depth to colour"),
        (np.ones((48, 64), np.uint8), "16 bits"),
        (np.ones((48, 64, 3), np.float32), r"give \(H, W\)"),
        (np.full((48, 64), 800.0), "millimetres"),
    ],
)
def test_images_that_are_implausible_name_their_camera(robot, depth, message):
    with pytest.raises(ValueError, match=f"camera 'front': .*{message}"):
        robot.rig.frame(changed(robot, "front", depth=depth), robot.tip(0), 1)


def test_whole_numbers_need_a_scale_and_colours_8_bits(robot):
    depth = np.full((32, 40), 700, np.uint16)
    with pytest.raises(ValueError, match="'wrist': .*'depth_scale' in cameras.json"):
        robot.rig.frame(changed(robot, "wrist", depth=depth), robot.tip(0), 1)
    grey = np.zeros((48, 64), np.uint8)
    with pytest.raises(ValueError, match="'front': colour has shape"):
        robot.rig.frame(changed(robot, "front", grey, robot.looks(0)["front"][1]), robot.tip(0), 1)
    with pytest.raises(ValueError, match="no image of camera 'wrist'"):
        robot.rig.frame({"front": robot.looks(0)["front"]}, robot.tip(0), 1)


def test_a_set_up_comes_back_from_its_file(robot, tmp_path):
    bent = replace(robot.rig.cameras["front"], lens=np.array([0.1, 0, 0, 0, 0.0]))
    rig = Rig({**robot.rig.cameras, "side": bent})
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps(rig.to_dict()))
    again = Rig.load(path)
    assert again.to_dict() == rig.to_dict()
    assert isinstance(again.cameras["side"], RigCamera)
    assert again.cameras["wrist"].on_tip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["front"].update(fx=-615.0), "camera 'front': .*focal lengths are positive"),
        (lambda c: c["front"].pop("fx"), "camera 'front': it holds no intrinsics"),
        (lambda c: c["front"].update(depth_scale="mm"), "camera 'front': depth_scale is mm"),
        (lambda c: c["wrist"].update(T_world_camera=np.eye(4).tolist()), "the one it hangs on"),
        (lambda c: c["wrist"].update(T_tip_camera=np.eye(3).tolist()), "T_tip_camera has shape"),
        (lambda c: c.update({"my camera": c["front"]}), "a word of letters"),
        (dict.clear, "at least one"),
    ],
)
def test_a_set_up_that_is_none_names_its_camera(robot, tmp_path, change, message):
    values = robot.rig.to_dict()
    change(values)
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message):
        Rig.load(path)


def test_intrinsics_in_the_forms_of_others_are_read():
    K = [[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]
    named = {"width": 640, "height": 480}
    forms = [
        {**named, "K": K},
        {**named, "fx": 600, "fy": 600, "ppx": 320, "ppy": 240},
        {**named, "camera_matrix": {"data": np.ravel(K).tolist()}},
    ]
    assert {RigCamera.of(form).intrinsics for form in forms} == {
        Intrinsics(640, 480, 600, 600, 320, 240)
    }
