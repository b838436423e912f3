"""Keyframes of demonstrations as training items: what was seen, what was asked, where to go next.

An item is a keyframe of an episode with the next one as target. Clouds are made from images once
and can be kept in a cache folder, since decoding PNGs takes longer than a training
step; they are thinned afresh on every reading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from equigrasp.data.files import ArrayFileError, pack_arrays, read_arrays, write_atomically
from equigrasp.data.split import on_side
from equigrasp.options import check_list
from equigrasp.policy.episodes.files import LOW_DIM, Episode, find_episodes
from equigrasp.policy.episodes.frames import CAMERAS, is_disturbed
from equigrasp.policy.episodes.keypoints import keyframe_actions
from equigrasp.policy.keyframes.clouds import (
    Cloud,
    CloudSettings,
    cloud_of_episode,
    thinned_by_zone,
)
from equigrasp.policy.keyframes.rotation_bins import rotation_to_bins

KEPT_POINTS = 8192
"""Points of a stored cloud at most; training thins them further."""


@dataclass(frozen=True)
class Augmentation:
    """How items are changed at random, anew in every epoch.

    Attributes:
        yaw: whole scenes turn about the vertical through the world's origin by up to so much (rad).
        jitter: points shift by up to so much (m) along each axis.
        drop: share of points that may be left out.
        words: chance of every word of a sentence to be an unknown one, and of one before it; of
            `KeyframeBatches`, the items here have their sentences as they are.

    Raises:
        ValueError: a value outside its range.
    """

    yaw: float = 0.0
    jitter: float = 0.002
    drop: float = 0.1
    words: float = 0.0

    def __post_init__(self) -> None:
        shares = all(0 <= share < 1 for share in (self.drop, self.words))
        if self.yaw < 0 or self.jitter < 0 or not shares:
            raise ValueError(f"{self}: need yaw and jitter >= 0, and drop and words in [0, 1)")


class KeyframeItem(NamedTuple):
    """One training item.

    Attributes:
        cloud: what the cameras saw.
        state: (8,) pose of the tip and gripper, float32.
        sentence: what was asked.
        position: (3,) metres, of the next keyframe.
        rotation: (3, 3) of the next keyframe. bins: (3,) of it, see `rotation_bins`.
        open: 0.0 or 1.0.
        task: name.
        past: (K, 8) like `state`, at the start and at the keyframes before this one, newest first.
    """

    cloud: Cloud
    state: NDArray[np.float32]
    sentence: str
    position: NDArray[np.float32]
    rotation: NDArray[np.float32]
    bins: NDArray[np.float32]
    open: float
    task: str
    past: NDArray[np.float32]


class KeyframeDataset:
    """Items of all episodes below a folder.

    Args:
        root: folder of tasks.
        tasks: names; None takes all.
        more: folders of further episodes of these tasks, such as corrections of a policy's errors;
            none of them has to hold every task.
        cloud: how clouds are made.
        cameras: that are used.
        split: "train", "val" or "all"; an episode's side depends on its task, folder and number
            alone, and every task has one to validate with.
        val_fraction: expected share of episodes held out.
        episodes: at most so many of every task and folder on this side; None takes all.
        cache: folder for stored clouds; None makes them again on every reading.
        memory: clouds are kept in memory up to so many bytes.
        augmentation: None leaves items as they are, and takes the first sentence.

    Raises:
        FileNotFoundError: there is no such folder, no such task, or no episode on that side; one of
            `more` holds none of the tasks.
        EpisodeError: an episode is torn.
    """

    def __init__(
        self,
        root: str | Path,
        tasks: Sequence[str] | None = None,
        *,
        more: Sequence[str | Path] = (),
        cloud: CloudSettings | None = None,
        cameras: Sequence[str] = CAMERAS,
        split: str = "all",
        val_fraction: float = 0.1,
        episodes: int | None = None,
        cache: str | Path | None = None,
        memory: int = 0,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.cloud = CloudSettings() if cloud is None else cloud
        self.cameras = tuple(check_list(cameras, "cameras", words=True))
        self.augmentation = augmentation
        self.cache = None if cache is None else Path(cache)
        self._kept: dict[int, list[Cloud]] = {}
        self._room = memory
        folders = [find_episodes(root, tasks), *_further(more, tasks)]
        self.episodes = _chosen(folders, split, val_fraction, episodes)
        if not self.episodes:
            raise FileNotFoundError(f"{root} holds no episodes on the side '{split}' of the split")
        self._items = [
            (row, step)
            for row, episode in enumerate(self.episodes)
            for step, there in enumerate(episode.keypoints)
            if not is_disturbed(episode.demo[there])
        ]
        if not self._items:
            raise FileNotFoundError(
                f"{root} holds nothing to learn on the side '{split}': every keyframe of it was "
                "missed on purpose"
            )

    def __len__(self) -> int:
        return len(self._items)

    def sentences(self) -> list[str]:
        """All sentences of all episodes, each once."""
        return sorted({words for episode in self.episodes for words in episode.descriptions})

    def item(self, index: int, random: np.random.Generator | None = None) -> KeyframeItem:
        """An item.

        Args:
            index: of the item, below `len`.
            random: source of the sentence, of the augmentation and of the points that are kept.

        Raises:
            ValueError: augmentation without `random`.
        """
        if self.augmentation is not None and random is None:
            raise ValueError("augmented items need a random generator")
        row, step = self._items[index]
        episode = self.episodes[row]
        frames = [0, *episode.keypoints]
        actions = keyframe_actions(episode.demo, frames[: step + 2])
        cloud = self._clouds(row)[step]
        sentence = episode.descriptions[0]
        if self.augmentation is not None:
            sentence = episode.descriptions[random.integers(len(episode.descriptions))]
            turn = random.uniform(-self.augmentation.yaw, self.augmentation.yaw)
            cloud = self._shaken(turned_cloud(cloud, turn), random)
            actions = turned_actions(actions, turn)
        *past, here, there = actions
        rotation = Rotation.from_quat(there[3:7]).as_matrix()
        return KeyframeItem(
            thinned_by_zone(cloud, self.cloud, here[:7], random),
            here.astype(np.float32),
            sentence,
            there[:3].astype(np.float32),
            rotation.astype(np.float32),
            rotation_to_bins(rotation),
            float(there[7]),
            episode.task,
            np.array(past[::-1], np.float32).reshape(-1, 8),
        )

    def _shaken(self, cloud: Cloud, random: np.random.Generator) -> Cloud:
        kept = random.random(len(cloud.xyz)) >= random.uniform(0, self.augmentation.drop)
        jitter = self.augmentation.jitter
        shift = random.uniform(-jitter, jitter, (int(kept.sum()), 3)).astype(np.float32)
        return Cloud(cloud.xyz[kept] + shift, cloud.rgb[kept])

    def _clouds(self, row: int) -> list[Cloud]:
        """Clouds of an episode, kept in memory if there is room."""
        found = self._kept.get(row)
        if found is None:
            found = self._read_clouds(self.episodes[row])
            size = sum(cloud.xyz.nbytes + cloud.rgb.nbytes for cloud in found)
            if size <= self._room:
                self._kept[row] = found
                self._room -= size
        return found

    def _read_clouds(self, episode: Episode) -> list[Cloud]:
        """Clouds of frame 0 and of all keyframes but the last, stored if there is a cache."""
        path = None if self.cache is None else self.cache / f"{self._digest(episode)}.npz"
        if path is not None and path.exists():
            try:
                return _unpacked(read_arrays(path))
            except ArrayFileError:
                pass  # a torn file of the cache is made again
        near = KEPT_POINTS if self.cloud.near_points else 0
        settings = replace(self.cloud, points=KEPT_POINTS, near_points=near)
        clouds = [
            cloud_of_episode(episode, frame, self.cameras, settings)
            for frame in [0, *episode.keypoints[:-1]]
        ]
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, pack_arrays(_packed(clouds)))
        return clouds

    def _digest(self, episode: Episode) -> str:
        """Name of stored clouds: another episode, camera or setting has another one."""
        made_of = {**self.cloud.told(), "points": KEPT_POINTS, "cameras": self.cameras}
        name = json.dumps(made_of, sort_keys=True).encode()
        return hashlib.sha256(name + (episode.path / LOW_DIM).read_bytes()).hexdigest()[:24]


def _further(folders: Sequence[str | Path], tasks: Sequence[str] | None) -> list[list[Episode]]:
    """Episodes of those tasks, None for all, of each of some folders."""
    found = []
    for folder in check_list(folders, "more"):
        here = [e for e in find_episodes(folder) if tasks is None or e.task in tasks]
        if not here:
            wanted = "any task" if tasks is None else ", ".join(tasks)
            raise FileNotFoundError(f"{folder} holds no episodes of {wanted}")
        found.append(here)
    return found


def _chosen(
    folders: Sequence[Sequence[Episode]], split: str, val_fraction: float, most: int | None
) -> list[Episode]:
    """Episodes on one side of the split, every task split by itself; of every folder so many."""
    chosen = []
    for task in sorted({episode.task for found in folders for episode in found}):
        own = [[episode for episode in found if episode.task == task] for found in folders]
        names = [f"{task}/{e.path.parents[1].name}/{e.number}" for found in own for e in found]
        sides = iter(on_side(names, split, val_fraction))
        for found in own:
            chosen += [episode for episode in found if next(sides)][:most]
    return chosen


def turned_cloud(cloud: Cloud, angle: float) -> Cloud:
    """A cloud turned about the vertical through the origin by an angle (rad)."""
    turn = Rotation.from_euler("z", angle).as_matrix().astype(np.float32)
    return Cloud(cloud.xyz @ turn.T, cloud.rgb)


def turned_actions(actions: NDArray, angle: float) -> NDArray:
    """Actions (K, 8) of `keyframe_actions`, turned like `turned_cloud` by an angle (rad)."""
    turn = Rotation.from_euler("z", angle)
    rotation = (turn * Rotation.from_quat(actions[:, 3:7])).as_quat()
    return np.concatenate([turn.apply(actions[:, :3]), rotation, actions[:, 7:]], 1)


def _packed(clouds: Sequence[Cloud]) -> dict[str, NDArray]:
    return {
        "counts": np.array([len(cloud.xyz) for cloud in clouds]),
        "xyz": np.concatenate([cloud.xyz for cloud in clouds]),
        "rgb": np.concatenate([np.round((c.rgb + 1) * 127.5).astype(np.uint8) for c in clouds]),
    }


def _unpacked(arrays: dict[str, NDArray]) -> list[Cloud]:
    ends = np.cumsum(arrays["counts"])[:-1]
    rgb = arrays["rgb"].astype(np.float32) / np.float32(127.5) - 1
    parts = zip(np.split(arrays["xyz"], ends), np.split(rgb, ends), strict=True)
    return [Cloud(xyz, colours) for xyz, colours in parts]
