"""Episodes as several versions of RLBench leave them, checked against their own code elsewhere.

Here stand-ins have the names and the attributes of their classes: stock RLBench before and after
1.1, PerAct's fork, and the one that key-step files were made with.
"""

import pickle  # noqa: TID251 - the plain writer, as RLBench calls it
import sys
import types

import numpy as np
import pytest
from PIL import Image

from equigrasp.policy.episodes.faults import episode_faults
from equigrasp.policy.episodes.files import EpisodeError, find_episodes
from equigrasp.policy.episodes.frames import CAMERAS
from equigrasp.policy.episodes.inspect import inspect

SIZE, COUNT, VARIATION = 16, 8, 3
NEAR, FAR = 0.01, 4.5
FIELDS = ("joint_velocities", "joint_positions", "joint_forces", "gripper_open", "gripper_pose")
FIELDS += ("gripper_matrix", "gripper_joint_positions", "gripper_touch_forces")
FIELDS += ("task_low_dim_state",)


class Version:
    """What a version's observations and demonstrations are made of.

    Attributes:
        cameras: that it has. kinds: of images that an observation has a field for.
        fields: besides. misc: what it tells of cameras and of the episode. demo: of the Demo.
    """

    def __init__(self, *, misc=True, index=True, cameras=CAMERAS, extra=(), demo=(), layout=""):
        self.misc, self.index, self.cameras, self.extra = misc, index, cameras, extra
        self.demo, self.layout = dict(demo), layout or f"variation{VARIATION}"


VERSIONS = {
    "1.1": Version(),
    "2024": Version(demo={"num_reset_attempts": 2}),
    "peract": Version(
        index=False,
        extra=("ignore_collisions",),
        demo={"variation_number": 0},  # always, whatever was played
        layout="all_variations",
    ),
    "gembench": Version(index=False, extra=("bboxes",)),
    "front alone": Version(cameras=("front",)),
    "1.0": Version(misc=False, cameras=("left_shoulder", "right_shoulder", "wrist", "front")),
}


@pytest.fixture
def rlbench(monkeypatch):
    """Modules with the names of RLBench's, and its two classes."""
    demo = type("Demo", (), {"__module__": "rlbench.demo"})
    observation = type("Observation", (), {"__module__": "rlbench.backend.observation"})
    for name, owned in (
        ("rlbench", {}),
        ("rlbench.demo", {"Demo": demo}),
        ("rlbench.backend", {}),
        ("rlbench.backend.observation", {"Observation": observation}),
    ):
        module = types.ModuleType(name)
        vars(module).update(owned)
        monkeypatch.setitem(sys.modules, name, module)
    return demo, observation


def misc_of(version, random):
    entries = {"joint_poses": [random.normal(size=7)]}
    for camera in version.cameras:
        pose = np.eye(4)
        pose[:3, 3] = random.normal(size=3)
        focal = -SIZE / 2 / np.tan(np.radians(30))
        entries |= {
            f"{camera}_camera_extrinsics": pose,
            f"{camera}_camera_intrinsics": np.array(
                [[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1.0]]
            ),
            f"{camera}_camera_near": np.float64(NEAR),
            f"{camera}_camera_far": FAR,
        }
    if version.index:
        entries["variation_index"] = VARIATION
    if "bboxes" in version.extra:
        entries |= {"Panda_link0_visual_bbox": [0.0] * 6, "Panda_link0_visual_pose": np.ones(7)}
    return entries


def write(root, classes, version, protocol=4):
    """An episode, saved as RLBench's generators do; depth from 0 to 1 by camera and frame."""
    above = root / "close_jar" / version.layout
    folder = above / "episodes" / "episode0"
    random, depths, states = np.random.default_rng(0), {}, []
    for index in range(COUNT):
        state = classes[1]()
        for camera in CAMERAS:
            for kind in ("rgb", "depth", "mask", "point_cloud"):
                setattr(state, f"{camera}_{kind}", None)
        for name in FIELDS:
            setattr(state, name, None)
        vars(state).update(
            gripper_open=1.0 if index < 5 else 0.0,
            gripper_pose=random.normal(size=7),
            joint_velocities=np.ones(7),
        )
        if version.misc:
            state.misc = misc_of(version, random)
        if "ignore_collisions" in version.extra:
            state.ignore_collisions = np.array(1.0)
        states.append(state)
        for camera in version.cameras:
            depth = random.random((SIZE, SIZE)).astype(np.float32)
            depth[0, 0] = 1.0
            depths[camera, index] = depth.astype(np.float64)
            whole = np.minimum(np.floor(depth * np.float32(2**24 - 1) + 0.5), 2**24 - 1)
            whole = whole.astype(np.uint32)
            coded = np.stack([whole >> 16, whole >> 8 & 255, whole & 255], -1).astype(np.uint8)
            for kind in ("rgb", "depth", "mask"):
                path = folder / f"{camera}_{kind}" / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(coded).save(path)
    demo = classes[0]()
    seed = np.random.RandomState(1).get_state()
    vars(demo).update(_observations=states, random_seed=seed, **version.demo)
    (folder / "low_dim_obs.pkl").write_bytes(pickle.dumps(demo, protocol))
    inside = version.layout == "all_variations"
    descriptions = (folder if inside else above) / "variation_descriptions.pkl"
    descriptions.write_bytes(pickle.dumps(["close the red jar"], protocol))
    if inside:
        (folder / "variation_number.pkl").write_bytes(pickle.dumps(VARIATION, protocol))
    return depths


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", [name for name in VERSIONS if name != "1.0"])
def test_every_version_is_read(rlbench, tmp_path, name, protocol):
    version = VERSIONS[name]
    depths = write(tmp_path, rlbench, version, protocol)
    (episode,) = find_episodes(tmp_path)
    assert episode_faults(episode, deep=True) == []
    assert episode.cameras == version.cameras
    assert episode.keypoints == [5, 7]
    assert episode.descriptions == ["close the red jar"]
    for (camera, index), depth in depths.items():
        metres = NEAR + depth * (FAR - NEAR)
        np.testing.assert_allclose(episode.depth(camera, index), metres, atol=1e-6)
    (summary,) = inspect(tmp_path, deep=True)
    assert summary.faults == []


@pytest.mark.parametrize("name", [name for name in VERSIONS if name != "1.0"])
def test_a_demonstration_tells_the_variation_that_was_played(rlbench, tmp_path, name):
    """PerAct's fork leaves 0 in every demonstration; its number lies in a file beside it."""
    write(tmp_path, rlbench, VERSIONS[name])
    (episode,) = find_episodes(tmp_path)
    assert episode.variation == VARIATION
    assert episode.demo.variation_number == VARIATION
    np.testing.assert_array_equal(
        episode.demo.random_seed[1], np.random.RandomState(1).get_state()[1]
    )


def test_without_the_file_of_its_number_a_demonstration_tells_none(rlbench, tmp_path):
    write(tmp_path, rlbench, VERSIONS["peract"])
    (episode,) = find_episodes(tmp_path)
    (episode.path / "variation_number.pkl").unlink()
    assert episode.demo.variation_number is None
    with pytest.raises(EpisodeError, match=r"variation_number\.pkl"):
        _ = episode.variation


def test_episodes_without_any_camera_say_what_they_are(rlbench, tmp_path):
    write(tmp_path, rlbench, VERSIONS["1.0"])
    (episode,) = find_episodes(tmp_path)
    assert episode.keypoints == [5, 7]
    with pytest.raises(EpisodeError, match=r"no other camera's; RLBench before 1\.1 .*again"):
        episode.depth("front", 0)
    first, *others = episode_faults(episode)
    assert "none is described; RLBench before 1.1" in first
    assert len(others) == 4


def test_a_camera_whose_entries_are_none_was_not_recorded(rlbench, tmp_path):
    version = Version(cameras=("front", "wrist"))
    write(tmp_path, rlbench, version)
    (episode,) = find_episodes(tmp_path)
    for state in episode.demo:
        for part in ("extrinsics", "intrinsics", "near", "far"):
            state.misc[f"overhead_camera_{part}"] = None
    assert episode_faults(episode) == []
    with pytest.raises(EpisodeError, match="the state has no overhead_camera_extrinsics$"):
        episode.camera("overhead", 0)
