"""One point cloud of what several cameras saw: cropped, without the table, thinned to voxels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.files import Episode
from equigrasp.policy.episodes.frames import CameraImages, Frame, FrameCamera


@dataclass(frozen=True)
class CloudSettings:
    """How a cloud is made of images.

    Attributes:
        low, high: corners (m) of the box that is kept, in the world. By default that is where
            objects are: most of the arm, whose pose is known anyway, stays outside, or it would
            take half of the points.
        table_top: points up to this height (m) belong to the table and are dropped.
        voxel: side (m) of the cubes in which points are averaged.
        points: at most so many are kept, chosen at random.

    Raises:
        ValueError: a box without inside, or numbers that are not positive.
    """

    low: tuple[float, float, float] = (-0.05, -0.5, 0.6)
    high: tuple[float, float, float] = (0.7, 0.5, 1.05)
    table_top: float = 0.752
    voxel: float = 0.01
    points: int = 1024

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"the box from {self.low} to {self.high} m holds nothing")
        if self.voxel <= 0 or self.points < 1:
            raise ValueError(f"voxel is {self.voxel} m, points {self.points}; need > 0 and >= 1")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> CloudSettings:
        """Settings from a configuration or a card, where tuples are lists.

        Raises:
            ValueError: a box without inside, or numbers that are not positive.
        """
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


class Cloud(NamedTuple):
    """Points of a scene.

    Attributes:
        xyz: (N, 3) float32, metres in the world.
        rgb: (N, 3) float32 in [-1, 1].
    """

    xyz: NDArray[np.float32]
    rgb: NDArray[np.float32]


def cloud_of_frame(
    frame: Frame, settings: CloudSettings, random: np.random.Generator | None = None
) -> Cloud:
    """Cloud of a frame as a simulator delivers it; arguments as for `make_cloud`.

    Raises:
        KeyError: the frame's state does not describe one of its cameras.
    """
    cameras = {name: FrameCamera.of(frame.state, name) for name in frame.images}
    return make_cloud(frame.images, cameras, settings, random)


def cloud_of_episode(
    episode: Episode,
    frame: int,
    cameras: Iterable[str],
    settings: CloudSettings,
) -> Cloud:
    """Cloud of a frame on disk, thinned evenly where there are too many points.

    Args:
        episode: on disk.
        frame: its number.
        cameras: that are used.
        settings: see `CloudSettings`.

    Raises:
        EpisodeError: an image is missing or torn.
    """
    names = tuple(cameras)
    images = {
        name: CameraImages(episode.rgb(name, frame), episode.depth(name, frame), None)
        for name in names
    }
    seen = {name: episode.camera(name, frame) for name in names}
    return make_cloud(images, seen, settings)


def make_cloud(
    images: Mapping[str, CameraImages],
    cameras: Mapping[str, FrameCamera],
    settings: CloudSettings,
    random: np.random.Generator | None = None,
) -> Cloud:
    """Points of all images within the box, thinned.

    Args:
        images: of each camera; masks are not looked at.
        cameras: by the same names.
        settings: see `CloudSettings`.
        random: chooses the points that are kept where there are too many; without it they are
            evenly spaced in the order of voxels, the same every time.
    """
    xyz = np.concatenate([point_cloud(images[n].depth, cameras[n]).reshape(-1, 3) for n in images])
    rgb = np.concatenate([images[n].rgb.reshape(-1, 3) for n in images])
    inside = ((xyz > settings.low) & (xyz < settings.high)).all(1)
    inside &= xyz[:, 2] > settings.table_top
    xyz, rgb = average_in_voxels(xyz[inside], rgb[inside] / 127.5 - 1, settings.voxel)
    return thinned(Cloud(xyz.astype(np.float32), rgb.astype(np.float32)), settings.points, random)


def thinned(cloud: Cloud, points: int, random: np.random.Generator | None = None) -> Cloud:
    """At most so many points: chosen by `random`, or without it evenly spaced in their order."""
    count = len(cloud.xyz)
    if count <= points:
        return cloud
    if random is None:
        kept = np.linspace(0, count - 1, points).round().astype(int)
    else:
        kept = np.sort(random.choice(count, points, replace=False))
    return Cloud(cloud.xyz[kept], cloud.rgb[kept])


def average_in_voxels(
    xyz: NDArray[np.float64], rgb: NDArray[np.float64], voxel: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of the points in every cube of a grid through the origin.

    Args:
        xyz, rgb: (N, 3) positions (m) and colours of points.
        voxel: side of the cubes, m.

    Returns:
        positions and colours (K, 3) of the K cubes that hold points, in the order of the cubes.
    """
    if not len(xyz):
        return xyz, rgb
    keys = np.floor(xyz / voxel).astype(np.int64)
    _, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    sums = np.zeros((len(counts), 6))
    np.add.at(sums, inverse, np.concatenate([xyz, rgb], 1))
    means = sums / counts[:, None]
    return means[:, :3], means[:, 3:]


def pad_clouds(
    clouds: Sequence[Cloud], size: int | None = None
) -> tuple[NDArray, NDArray, NDArray]:
    """Clouds of different sizes as xyz (B, N, 3), rgb (B, N, 3) and mask (B, N), True for points.

    N is `size`, by default that of the largest cloud. An empty cloud keeps one point at the origin
    that the mask does not count.

    Raises:
        ValueError: a cloud has more points than `size`.
    """
    largest = max(1, *(len(cloud.xyz) for cloud in clouds))
    size = largest if size is None else size
    if largest > size:
        raise ValueError(f"a cloud has {largest} points, more than {size}; thin it first")
    xyz, rgb = (np.zeros((len(clouds), size, 3), np.float32) for _ in range(2))
    mask = np.zeros((len(clouds), size), bool)
    for row, cloud in enumerate(clouds):
        count = len(cloud.xyz)
        xyz[row, :count], rgb[row, :count], mask[row, :count] = cloud.xyz, cloud.rgb, True
    return xyz, rgb, mask
