import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.policy.episodes.files import EpisodeError, write_episode
from equigrasp.policy.episodes.frames import CAMERAS, DISTURBED
from equigrasp.policy.episodes.synthetic import random_frames
from equigrasp.policy.keyframes.batches import KeyframeBatches
from equigrasp.policy.keyframes.clouds import CloudSettings, cloud_of_episode
from equigrasp.policy.keyframes.dataset import (
    Augmentation,
    KeyframeDataset,
    turned_actions,
    turned_cloud,
)
from equigrasp.policy.keyframes.rotation_bins import rotation_to_bins

WIDE = CloudSettings(low=(-9, -9, -9), high=(9, 9, 9), table_top=-9, voxel=0.02, points=100)


def unit(pose):
    return np.concatenate([pose[:3], pose[3:] / np.linalg.norm(pose[3:])])


@pytest.fixture
def root(tmp_path):
    for number in range(3):
        frames = random_frames(number, 12, 8)
        for index, frame in enumerate(frames):
            frame.state.gripper_pose = unit(frame.state.gripper_pose)
            frame.state.gripper_open = float(index < 6)
        write_episode(
            tmp_path / "demos", "t", number, frames, variation=0, descriptions=["first", "second"]
        )
    return tmp_path


def test_an_item_is_a_keyframe_and_the_next(root):
    data = KeyframeDataset(root / "demos", cloud=WIDE)
    episode = data.episodes[1]
    assert episode.keypoints == [6, 11]
    assert len(data) == 6
    item = data.item(3)  # second step of the second episode
    demo = episode.demo
    np.testing.assert_allclose(item.state, [*demo[6].gripper_pose, 0.0], atol=1e-6)
    np.testing.assert_allclose(item.position, demo[11].gripper_pose[:3], atol=1e-6)
    turn = Rotation.from_quat(demo[11].gripper_pose[3:]).as_matrix()
    assert item.bins.tolist() == rotation_to_bins(turn).tolist()
    assert (item.open, item.sentence, item.task) == (0.0, "first", "t")
    assert data.item(2).open == 0.0
    assert data.item(2).state[7] == 1.0
    seen = cloud_of_episode(episode, 6, CAMERAS, WIDE)
    assert item.cloud.xyz.shape == seen.xyz.shape == (100, 3)


def test_further_folders_add_episodes_on_the_same_sides(root):
    def add(folder, task, number):
        frames = random_frames(number, 12, 8)
        write_episode(root / folder, task, number, frames, variation=0, descriptions=["words"])

    for number in range(20):
        add("demos", "u", number)
        add("corrected", "u", number)
    add("others", "v", 0)

    def numbers(split, folder):
        data = KeyframeDataset(root / "demos", cloud=WIDE, split=split, more=[root / "corrected"])
        return {e.number for e in data.episodes if e.task == "u" and folder in e.path.parts}

    for split in ("train", "val"):
        assert numbers(split, "demos") == numbers(split, "corrected")
    assert numbers("train", "demos").isdisjoint(numbers("val", "corrected"))
    every = KeyframeDataset(root / "demos", ["t", "u"], cloud=WIDE, more=[root / "corrected"])
    assert [e.task for e in every.episodes] == ["t"] * 3 + ["u"] * 40
    few = KeyframeDataset(root / "demos", ["u"], cloud=WIDE, more=[root / "corrected"], episodes=3)
    assert [e.path.parents[3].name for e in few.episodes] == ["demos"] * 3 + ["corrected"] * 3
    with pytest.raises(FileNotFoundError, match="others holds no episodes of t, u"):
        KeyframeDataset(root / "demos", ["t", "u"], cloud=WIDE, more=[root / "others"])
    with pytest.raises(ValueError, match=r"more is .*corrected.*; give a list"):
        KeyframeDataset(root / "demos", cloud=WIDE, more=str(root / "corrected"))


def test_an_item_knows_the_keyframes_before_it_newest_first(root):
    data = KeyframeDataset(root / "demos", cloud=WIDE)
    demo = data.episodes[1].demo
    assert data.item(2).past.shape == (0, 8)
    np.testing.assert_allclose(data.item(3).past, [[*demo[0].gripper_pose, 1.0]], atol=1e-6)
    turned = KeyframeDataset(root / "demos", cloud=WIDE, augmentation=Augmentation(yaw=0.7)).item(
        3, np.random.default_rng(0)
    )
    apart = np.linalg.norm(data.item(3).past[0, :3] - data.item(3).position)
    assert np.linalg.norm(turned.past[0, :3] - turned.position) == pytest.approx(apart, abs=1e-5)
    kept = KeyframeBatches(data, ["first"], past=3)[0, 3]
    assert (kept["past"].shape, kept["past_mask"].tolist()) == ((3, 8), [True, False, False])
    assert "past" not in KeyframeBatches(data, ["first"])[0, 3]


def test_the_past_of_a_third_keyframe_is_told_newest_first(root):
    frames = random_frames(8, 12, 8)
    for index, frame in enumerate(frames):
        frame.state.gripper_pose = unit(frame.state.gripper_pose)
        frame.state.gripper_open = float(not 4 <= index < 8)
    episode = write_episode(root / "long", "t", 0, frames, variation=0, descriptions=["first"])
    assert episode.keypoints == [4, 8, 11]
    past = KeyframeDataset(root / "long", cloud=WIDE).item(2).past
    states = [[*frames[i].state.gripper_pose, frames[i].state.gripper_open] for i in (4, 0)]
    np.testing.assert_allclose(past, states, atol=1e-6)


def test_nobody_learns_to_go_where_an_arm_missed_on_purpose(root):
    frames = random_frames(7, 12, 8)
    for index, frame in enumerate(frames):
        frame.state.gripper_pose = unit(frame.state.gripper_pose)
        frame.state.gripper_open = float(index < 6)
    frames[6].state.misc[DISTURBED] = True
    write_episode(root / "missed", "t", 0, frames, variation=0, descriptions=["first"])
    data = KeyframeDataset(root / "missed", cloud=WIDE)
    assert data.episodes[0].keypoints == [6, 11]
    assert len(data) == 1
    np.testing.assert_allclose(data.item(0).state[:7], frames[6].state.gripper_pose, atol=1e-6)
    np.testing.assert_allclose(data.item(0).past[0, :7], frames[0].state.gripper_pose, atol=1e-6)
    seen = cloud_of_episode(data.episodes[0], 6, CAMERAS, WIDE)
    np.testing.assert_array_equal(data.item(0).cloud.xyz, seen.xyz)


def test_stored_clouds_keep_what_is_finer_near_the_tip(root):
    near = CloudSettings(**{**vars(WIDE), "near_points": 50, "near_radius": 0.5})
    fresh = KeyframeDataset(root / "demos", cloud=near)
    stored = KeyframeDataset(root / "demos", cloud=near, cache=root / "cache")
    for _ in range(2):
        for index in range(len(fresh)):
            first, second = fresh.item(index), stored.item(index)
            np.testing.assert_array_equal(first.cloud.xyz, second.cloud.xyz)
            aside = np.linalg.norm(first.cloud.xyz - first.state[:3], axis=1)
            assert (aside < 0.5).sum() <= 50
            assert (aside >= 0.5).sum() <= 100


def test_stored_clouds_are_those_made_anew_and_a_torn_one_is_made_again(root):
    fresh = KeyframeDataset(root / "demos", cloud=WIDE)
    stored = KeyframeDataset(root / "demos", cloud=WIDE, cache=root / "cache")
    for _ in range(2):
        for index in range(len(fresh)):
            first, second = fresh.item(index).cloud, stored.item(index).cloud
            np.testing.assert_array_equal(first.xyz, second.xyz)
            np.testing.assert_allclose(first.rgb, second.rgb, atol=1.01 / 255)
    files = sorted((root / "cache").glob("*.npz"))
    assert len(files) == 3
    files[0].write_bytes(files[0].read_bytes()[:50])
    assert len({len(stored.item(i).cloud.xyz) for i in range(6)}) == 1
    coarse = CloudSettings(**{**vars(WIDE), "voxel": 0.5})
    KeyframeDataset(root / "demos", cloud=coarse, cache=root / "cache").item(0)
    assert len(list((root / "cache").glob("*.npz"))) == 4


def test_augmented_items_repeat_with_their_generator(root):
    augmentation = Augmentation(yaw=0.7)
    data = KeyframeDataset(root / "demos", cloud=WIDE, augmentation=augmentation)
    first, again, other = (data.item(0, np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.cloud.xyz, again.cloud.xyz)
    np.testing.assert_array_equal(first.position, again.position)
    assert np.abs(first.position - other.position).max() > 1e-3
    said = {data.item(0, np.random.default_rng(s)).sentence for s in range(12)}
    assert said == {"first", "second"}
    with pytest.raises(ValueError, match="generator"):
        data.item(0)


def test_points_shift_as_far_as_they_may_and_as_many_as_may_are_left_out(root):
    whole = CloudSettings(**{**vars(WIDE), "points": 10**6})
    plain = KeyframeDataset(root / "demos", cloud=whole).item(0).cloud.xyz
    shaken = KeyframeDataset(
        root / "demos", cloud=whole, augmentation=Augmentation(jitter=0.002, drop=0.0)
    ).item(0, np.random.default_rng(0))
    shift = shaken.cloud.xyz - plain
    assert 0.0019 < np.abs(shift).max() < 0.0021
    assert np.abs(shift).mean() == pytest.approx(0.001, rel=0.1)
    halved = KeyframeDataset(
        root / "demos", cloud=whole, augmentation=Augmentation(jitter=0.0, drop=0.5)
    )
    left = [len(halved.item(0, np.random.default_rng(s)).cloud.xyz) for s in range(40)]
    assert 0.65 < np.mean(left) / len(plain) < 0.85
    turned = KeyframeDataset(
        root / "demos", cloud=whole, augmentation=Augmentation(yaw=0.5, jitter=0.0, drop=0.0)
    )
    moved = [turned.item(0, np.random.default_rng(s)).position for s in range(20)]
    at = KeyframeDataset(root / "demos", cloud=whole).item(0).position
    angle = np.subtract([np.arctan2(y, x) for x, y, _ in moved], np.arctan2(at[1], at[0]))
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    assert 0.3 < np.abs(angle).max() < 0.5001


@pytest.mark.parametrize("angle", [0.3, -2.0])
def test_a_turned_scene_keeps_its_shape(root, angle):
    data = KeyframeDataset(root / "demos", cloud=WIDE)
    item = data.item(1)
    action = np.concatenate([item.position, [0, 0, 0, 1], [1.0]]).astype(float)
    cloud, moved = turned_cloud(item.cloud, angle), turned_actions(action[None], angle)[0]
    before = np.linalg.norm(item.cloud.xyz - item.position, axis=1)
    np.testing.assert_allclose(np.linalg.norm(cloud.xyz - moved[:3], axis=1), before, atol=1e-5)
    np.testing.assert_allclose(cloud.xyz[:, 2], item.cloud.xyz[:, 2], atol=1e-6)
    turn = Rotation.from_quat(moved[3:7]).as_euler("xyz")
    np.testing.assert_allclose(turn, [0, 0, angle], atol=1e-9)
    assert moved[7] == 1.0


def test_an_episode_is_on_one_side_of_the_split(root):
    def sides(**options):
        return [
            [
                e.number
                for e in KeyframeDataset(root / "demos", cloud=WIDE, split=s, **options).episodes
            ]
            for s in ("train", "val")
        ]

    train, held_out = sides(val_fraction=0.01)  # a small set has one all the same
    assert sorted([*train, *held_out]) == [0, 1, 2]
    assert len(held_out) == 1
    assert sides(val_fraction=0.01, episodes=1) == [train[:1], held_out]
    with pytest.raises(FileNotFoundError, match="no episodes on the side 'train'"):
        KeyframeDataset(root / "demos", split="train", val_fraction=1.0)


def test_clouds_are_kept_in_memory_while_there_is_room(root):
    plenty = KeyframeDataset(root / "demos", cloud=WIDE, memory=2**30)
    first = plenty.item(0).cloud
    for path in plenty.episodes[0].path.glob("*_rgb/*"):
        path.unlink()
    np.testing.assert_array_equal(plenty.item(0).cloud.xyz, first.xyz)
    none = KeyframeDataset(root / "demos", cloud=WIDE, memory=10)
    with pytest.raises(EpisodeError):
        none.item(0)


@pytest.mark.parametrize("change", [{"yaw": -1}, {"jitter": -0.1}, {"drop": 1.0}, {"words": 1.0}])
def test_impossible_augmentations_are_refused(change):
    with pytest.raises(ValueError, match="need"):
        Augmentation(**change)
