"""From a robot to episodes: what is recorded comes back, keyframes are the right frames."""

import json
import shutil

import numpy as np
import pytest

from equigrasp.policy.episodes.faults import episode_faults
from equigrasp.policy.episodes.files import find_episodes
from equigrasp.policy.recording.convert import convert
from equigrasp.policy.recording.folders import EPISODE_FILE, find_takes, read_take
from equigrasp.policy.recording.recorder import Recorder
from equigrasp.policy.recording.take import Moment, RecordingError, Take


@pytest.fixture(scope="module")
def recordings(robot, tmp_path_factory):
    root = tmp_path_factory.mktemp("recordings")
    robot.record(root)
    robot.record(root, marks=(2, 6))
    return root


@pytest.fixture
def folder(recordings, tmp_path):
    """A copy of the first take to break."""
    return shutil.copytree(recordings / "take_block" / "take0", tmp_path / "take_block" / "take0")


def rewritten(folder, change):
    told = json.loads((folder / EPISODE_FILE).read_text())
    change(told)
    (folder / EPISODE_FILE).write_text(json.dumps(told))
    return folder


def test_what_was_recorded_is_what_the_robot_saw(robot, recordings):
    first, second = (read_take(path) for path in find_takes(recordings))
    assert (str(first), str(second)) == ("take_block/take0", "take_block/take1")
    assert first.sentences == ["take the block", "grasp it"]
    for index in (0, 3, 7):
        seen, meant = first.frame(index), robot.frame(index)
        np.testing.assert_allclose(seen.state.gripper_pose, meant.state.gripper_pose, atol=1e-12)
        assert seen.state.gripper_open == meant.state.gripper_open == float(index < 4)
        for name, images in meant.images.items():
            np.testing.assert_array_equal(seen.images[name].rgb, images.rgb)
            np.testing.assert_allclose(seen.images[name].depth, images.depth, atol=5.1e-4)


def test_keyframes_are_gripper_events_and_the_end_unless_somebody_marked_others(recordings):
    unmarked, marked = (read_take(path) for path in find_takes(recordings))
    assert unmarked.keyframes() == [4, 7]
    assert marked.keyframes() == [2, 6]


def test_where_velocities_are_known_stops_count_as_well(robot):
    fast, slow = [0.5] * 7, [0.0] * 7
    speeds = [fast, fast, fast, slow, fast, fast, fast, fast, fast, fast, fast]
    moments = [
        Moment(robot.tip(i), float(i < 7), joint_velocities=speed) for i, speed in enumerate(speeds)
    ]
    take = Take("take0", "t", ["do it"], robot.rig, moments, robot.looks)
    assert take.keyframes() == [3, 7, 10]


@pytest.mark.parametrize("all_frames", [False, True])
def test_an_episode_holds_the_frames_of_its_take(robot, recordings, tmp_path, all_frames):
    take = read_take(find_takes(recordings)[1])
    convert(take, tmp_path, 3, all_frames=all_frames)
    (episode,) = find_episodes(tmp_path)
    assert episode_faults(episode, deep=True) == []
    assert (episode.task, episode.number, len(episode)) == ("take_block", 3, 8 if all_frames else 3)
    assert episode.keypoints == ([2, 6] if all_frames else [1, 2])
    assert episode.descriptions == ["take the block", "grasp it"]
    assert episode.cameras == ("wrist", "front")
    for number, frame in zip([0, *episode.keypoints], (0, 2, 6), strict=True):
        meant = take.frame(frame)
        np.testing.assert_array_equal(episode.demo[number].gripper_pose, meant.state.gripper_pose)
        for name, images in meant.images.items():
            np.testing.assert_array_equal(episode.rgb(name, number), images.rgb)
            np.testing.assert_allclose(episode.depth(name, number), images.depth, atol=1e-6)


def recorded_wrongly(robot, root, looks):
    with Recorder(root, "t", ["do"], robot.rig) as recorder:
        recorder.add(robot.looks(0), robot.tip(0), 1)
        with pytest.raises(ValueError, match="the first frame ends no action"):
            recorder.mark()
        if looks:
            recorder.add(looks, robot.tip(1), 1)


def test_an_error_while_recording_leaves_no_take(robot, tmp_path):
    looks = robot.looks(1)
    wrong = {**looks, "front": (looks["front"][0], looks["wrist"][1])}
    for given, message in ((wrong, "camera 'front'"), (None, "at least two frames")):
        with pytest.raises(ValueError, match=message):
            recorded_wrongly(robot, tmp_path, given)
    assert list((tmp_path / "t").iterdir()) == []
    with pytest.raises(RecordingError, match=r"TASK/TAKE/episode\.json"):
        find_takes(tmp_path)
    with pytest.raises(ValueError, match="say what is asked for"):
        Recorder(tmp_path, "t", [], robot.rig)


def test_takes_are_counted_on_and_unfinished_ones_passed_over(robot, recordings, tmp_path):
    root = shutil.copytree(recordings, tmp_path / "again")
    shutil.copytree(root / "take_block" / "take0", root / "take_block" / ".take.x.tmp")
    (root / "take_block" / "take9").mkdir()
    assert [path.name for path in find_takes(root)] == ["take0", "take1"]
    assert robot.record(root).name == "take10"
    assert [path.name for path in find_takes(root)] == ["take0", "take1", "take10"]


def test_a_moving_camera_and_velocities_are_recorded(robot, tmp_path):
    pose, looks = robot.rig.cameras["front"].pose, robot.looks(0)
    poses = [pose.copy(), pose.copy()]
    poses[1][0, 3] += 0.1
    with Recorder(tmp_path, "t", ["do"], robot.rig) as recorder:
        for told in poses:
            motion = {"camera_poses": {"front": told}, "joint_velocities": np.ones(7)}
            recorder.add(looks, robot.tip(0), 1, **motion)
    take = read_take(recorder.folder)
    for index, told in enumerate(poses):
        state = take.frame(index).state
        at = state.misc["front_camera_extrinsics"][:3, 3]
        np.testing.assert_allclose(at, told[:3, 3])
        np.testing.assert_array_equal(state.joint_velocities, np.ones(7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(keyframes=[2, 80]), "keyframe 80 is beyond the last frame, 7"),
        (lambda t: t.update(keyframes=[0, 3]), "rise from 1 on"),
        (lambda t: t.update(keyframes=[5, 3]), "rise from 1 on"),
        (lambda t: t.update(keyframes=[]), "rise from 1 on"),
        (lambda t: t.update(keyframes="all"), "rise from 1 on"),
        (lambda t: t["frames"][3].update(gripper_open=0.08e3), "frame 3: gripper_open is 80.0"),
        (lambda t: t.update(frames=[]), "it has no frames"),
        (lambda t: t.update(frames=t["frames"][:1]), "at least two"),
    ],
)
def test_keyframes_that_are_none_name_their_take(folder, change, message):
    with pytest.raises(RecordingError, match=f"take_block/take0: .*{message}"):
        read_take(rewritten(folder, change)).keyframes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("frames"), "holds no frames"),
        (lambda t: t["frames"][2].pop("pose"), "frame 2 lacks pose or gripper_open"),
        (lambda t: t.update(sentences="take it"), r"sentences is 'take it'; give a list"),
        (lambda t: t.update(sentences=[]), "say what is asked for"),
        (lambda t: t.update(variation=-1), "variation is -1"),
    ],
)
def test_files_that_are_none_name_their_take(folder, change, message):
    with pytest.raises(RecordingError, match=f"take_block/take0: .*{message}"):
        read_take(rewritten(folder, change))


def test_a_take_without_cameras_says_where_they_belong(folder):
    (folder / "cameras.json").unlink()
    with pytest.raises(RecordingError, match=r"there is no cameras\.json; put one into"):
        read_take(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "front_rgb" / "4.png").unlink(), "camera 'front': there is no file"),
        (lambda p: (p / "wrist_depth" / "4.png").write_bytes(b"PNG"), "camera 'wrist': .*read"),
        (
            lambda p: shutil.copy(p / "wrist_depth" / "4.png", p / "front_depth" / "4.png"),
            "camera 'front': depth has shape .32, 40., colour .48, 64.; register",
        ),
        (
            lambda p: rewritten(p, lambda t: t["frames"][4].update(pose=[0] * 7)),
            "the tip's pose is .*unit quaternion",
        ),
    ],
)
def test_frames_that_cannot_be_used_name_take_frame_and_camera(folder, damage, message):
    damage(folder)
    take = read_take(folder)
    assert take.frame(3).images
    with pytest.raises(RecordingError, match=f"take_block/take0, frame 4: {message}"):
        take.frame(4)
