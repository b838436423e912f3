import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.files import write_episode
from equigrasp.policy.episodes.frames import CAMERAS, FrameCamera
from equigrasp.policy.episodes.synthetic import random_frames
from equigrasp.policy.keyframes.clouds import (
    Cloud,
    CloudSettings,
    average_in_voxels,
    cloud_of_episode,
    cloud_of_frame,
    make_cloud,
    pad_clouds,
    thinned_by_zone,
)

WIDE = CloudSettings(low=(-9, -9, -9), high=(9, 9, 9), table_top=-9, voxel=0.05, points=10**6)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.3))
def test_voxels_hold_the_means_of_their_points(seed, voxel):
    rng = np.random.default_rng(seed)
    xyz, rgb = rng.uniform(-0.5, 0.5, (2, 200, 3))
    means, colours = average_in_voxels(xyz, rgb, voxel)
    cells = {}
    for point, colour in zip(xyz, rgb, strict=True):
        cells.setdefault(tuple(np.floor(point / voxel)), []).append([*point, *colour])
    expected = np.array([np.mean(members, axis=0) for _, members in sorted(cells.items())])
    np.testing.assert_allclose(np.hstack([means, colours]), expected, atol=1e-12)


def test_every_camera_adds_its_points_with_their_colours():
    (frame,) = random_frames(0, 1, 8)
    cloud = cloud_of_frame(frame, CloudSettings(**{**vars(WIDE), "voxel": 1e-6}))
    assert len(cloud.xyz) == len(CAMERAS) * 64
    camera = FrameCamera.of(frame.state, "front")
    points = point_cloud(frame.images["front"].depth, camera).reshape(-1, 3)
    for point, colour in zip(
        points[::9], frame.images["front"].rgb.reshape(-1, 3)[::9], strict=True
    ):
        nearest = np.linalg.norm(cloud.xyz - point, axis=1).argmin()
        np.testing.assert_allclose(cloud.xyz[nearest], point, atol=1e-5)
        np.testing.assert_allclose(cloud.rgb[nearest], colour / 127.5 - 1, atol=1e-6)


def test_the_box_and_the_table_are_respected():
    (frame,) = random_frames(1, 1, 16)
    settings = CloudSettings(low=(-1, -1, -1), high=(1, 1, 1), table_top=0.2, voxel=0.01)
    cloud = cloud_of_frame(frame, settings)
    assert len(cloud.xyz) > 20
    assert (cloud.xyz[:, 2] > 0.2).all()
    assert (np.abs(cloud.xyz) <= 1).all()


def test_too_many_points_are_thinned_the_same_way_or_at_random():
    (frame,) = random_frames(2, 1, 16)
    few = CloudSettings(**{**vars(WIDE), "points": 50})
    first, second = (cloud_of_frame(frame, few) for _ in range(2))
    np.testing.assert_array_equal(first.xyz, second.xyz)
    drawn = [cloud_of_frame(frame, few, np.random.default_rng(s)) for s in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0].xyz, drawn[1].xyz)
    assert not np.array_equal(drawn[0].xyz, drawn[2].xyz)
    assert {len(cloud.xyz) for cloud in (first, *drawn)} == {50}


def test_a_frame_on_disk_gives_the_same_cloud(tmp_path):
    frames = random_frames(3, 2, 8)
    episode = write_episode(tmp_path, "t", 0, frames, variation=0, descriptions=["x"])
    stored = cloud_of_episode(episode, 1, CAMERAS, WIDE)
    live = cloud_of_frame(frames[1], WIDE)
    assert len(stored.xyz) == pytest.approx(len(live.xyz), abs=3)  # 24 bits move points by 0.2 um
    one = cloud_of_episode(episode, 1, ["wrist"], WIDE)
    assert 0 < len(one.xyz) <= 64


def test_padding_tells_points_from_nothing():
    clouds = [Cloud(*np.ones((2, n, 3), np.float32)) for n in (3, 0, 5)]
    xyz, rgb, mask = pad_clouds(clouds)
    assert xyz.shape == rgb.shape == (3, 5, 3)
    assert mask.sum(1).tolist() == [3, 0, 5]
    assert xyz.sum() == 3 * mask.sum()
    assert pad_clouds(clouds[1:2])[0].shape == (1, 1, 3)


def test_nothing_in_the_box_is_an_empty_cloud():
    (frame,) = random_frames(4, 1, 8)
    empty = make_cloud(
        frame.images,
        {name: FrameCamera.of(frame.state, name) for name in CAMERAS},
        CloudSettings(low=(50, 50, 50), high=(51, 51, 51)),
    )
    assert empty.xyz.shape == empty.rgb.shape == (0, 3)


@pytest.mark.parametrize(
    "change",
    [{"low": (1, 0, 0), "high": (1, 1, 1)}, {"voxel": 0.0}, {"points": 0}, {"near_voxel": 0.0}],
)
def test_impossible_settings_are_refused(change):
    with pytest.raises(ValueError, match=r"holds nothing|need > 0"):
        CloudSettings(**change)


def test_the_cloud_near_the_tip_is_finer_and_counted_by_itself():
    (frame,) = random_frames(5, 1, 16)
    plain = CloudSettings(**{**vars(WIDE), "voxel": 0.4})
    tip = np.median(cloud_of_frame(frame, plain).xyz, 0)
    frame.state.gripper_pose = np.array([*tip, 0, 0, 0, 1])
    near = CloudSettings(**{**vars(plain), "near_points": 10**6, "near_radius": 1.0})
    fine, coarse = cloud_of_frame(frame, near), cloud_of_frame(frame, plain)

    def split(cloud):
        inside = np.linalg.norm(cloud.xyz - tip, axis=1) < near.near_radius
        return cloud.xyz[inside], cloud.xyz[~inside]

    assert len(split(fine)[0]) > 1.2 * len(split(coarse)[0])
    rows = {tuple(row) for row in split(coarse)[1]}  # only cubes on the border are cut
    assert len([row for row in split(fine)[1] if tuple(row) in rows]) > 0.8 * len(rows)
    few = CloudSettings(**{**vars(near), "points": 30, "near_points": 20})
    drawn = cloud_of_frame(frame, few, np.random.default_rng(0))
    assert [len(part) for part in split(drawn)] == [20, 30]
    again = thinned_by_zone(fine, few, tip, np.random.default_rng(0))
    np.testing.assert_array_equal(again.xyz, drawn.xyz)
    assert few.most == len(drawn.xyz) == 50


def test_a_frame_on_disk_is_as_fine_near_the_tip(tmp_path):
    frames = random_frames(3, 2, 8)
    for frame in frames:
        frame.state.gripper_pose = np.array([0.1, 0.2, 0.3, 0, 0, 0, 1])
    episode = write_episode(tmp_path, "t", 0, frames, variation=0, descriptions=["x"])
    settings = CloudSettings(**{**vars(WIDE), "near_points": 10**6, "near_radius": 0.5})
    live = cloud_of_frame(frames[1], settings)
    assert len(live.xyz) != len(cloud_of_frame(frames[1], WIDE).xyz)
    stored = cloud_of_episode(episode, 1, CAMERAS, settings)
    assert len(stored.xyz) == pytest.approx(len(live.xyz), abs=3)


def test_points_near_the_tip_need_a_tip():
    (frame,) = random_frames(4, 1, 8)
    cameras = {name: FrameCamera.of(frame.state, name) for name in CAMERAS}
    with pytest.raises(ValueError, match="give tip="):
        make_cloud(frame.images, cameras, CloudSettings(near_points=5))
    with pytest.raises(ValueError, match="hand=panda depend on where"):
        make_cloud(frame.images, cameras, CloudSettings(hand="panda"))
    with pytest.raises(ValueError, match="give tip="):
        thinned_by_zone(cloud_of_frame(frame, WIDE), CloudSettings(near_points=5))


def test_settings_without_a_tip_are_told_as_ever():
    assert set(CloudSettings().told()) == {"low", "high", "table_top", "voxel", "points"}
    near = CloudSettings(near_points=7)
    assert CloudSettings.of(near.told()) == near
    assert CloudSettings.of(CloudSettings().told()) == CloudSettings()
