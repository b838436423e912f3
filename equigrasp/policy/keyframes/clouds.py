"""One point cloud of what several cameras saw: cropped, without the table, thinned to voxels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.files import Episode
from equigrasp.policy.episodes.frames import CameraImages, Frame, FrameCamera
from equigrasp.policy.keyframes.hand_points import HANDS, NO_HAND, on_hand


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
        near_points: the cloud within `near_radius` of the tip is thinned by itself, and at most so
            many of its points are kept; with 0 it is like everywhere else.
        near_radius, near_voxel: how far (m) from the tip that is, and the side (m) of its cubes.
        hand: whose points are dropped, one of `HANDS`.

    Raises:
        ValueError: a box without inside, numbers that are not positive, or no such hand.
    """

    low: tuple[float, float, float] = (-0.05, -0.5, 0.6)
    high: tuple[float, float, float] = (0.7, 0.5, 1.05)
    table_top: float = 0.752
    voxel: float = 0.01
    points: int = 1024
    near_points: int = 0
    near_radius: float = 0.1
    near_voxel: float = 0.004
    hand: str = NO_HAND

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"the box from {self.low} to {self.high} m holds nothing")
        if self.voxel <= 0 or self.points < 1:
            raise ValueError(f"voxel is {self.voxel} m, points {self.points}; need > 0 and >= 1")
        if self.near_points < 0 or min(self.near_radius, self.near_voxel) <= 0:
            raise ValueError(
                f"near_points is {self.near_points}, near_radius {self.near_radius} m, near_voxel "
                f"{self.near_voxel} m; need > 0, and >= 0 points"
            )
        if self.hand not in HANDS:
            raise ValueError(f"hand is {self.hand!r}; give one of {', '.join(HANDS)}")

    @property
    def most(self) -> int:
        """Points of a cloud at most, those near the tip included."""
        return self.points + self.near_points

    def told(self) -> dict[str, Any]:
        """What tells these settings from others, JSON-able: nothing of the tip and the hand where
        they do not matter, so that clouds, runs and cards of before are still known as the same."""
        values = asdict(self)
        if self.hand == NO_HAND:
            del values["hand"]
        return {k: v for k, v in values.items() if self.near_points or not k.startswith("near_")}

    @property
    def wants_tip(self) -> bool:
        """Whether a cloud depends on where the gripper is."""
        return bool(self.near_points) or self.hand != NO_HAND

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
    tip = frame.state.gripper_pose if settings.wants_tip else None
    return make_cloud(frame.images, cameras, settings, random, tip)


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
    tip = episode.demo[frame].gripper_pose if settings.wants_tip else None
    return make_cloud(images, seen, settings, tip=tip)


def make_cloud(
    images: Mapping[str, CameraImages],
    cameras: Mapping[str, FrameCamera],
    settings: CloudSettings,
    random: np.random.Generator | None = None,
    tip: ArrayLike | None = None,
) -> Cloud:
    """Points of all images within the box, thinned.

    Args:
        images: of each camera; masks are not looked at.
        cameras: by the same names.
        settings: see `CloudSettings`.
        random: chooses the points that are kept where there are too many; without it they are
            evenly spaced in the order of voxels, the same every time.
        tip: (7,) pose of the gripper in the world, position (m) and quaternion (x, y, z, w); needed
            where `settings.wants_tip`.

    Raises:
        ValueError: the tip is needed and not given.
    """
    xyz = np.concatenate([point_cloud(images[n].depth, cameras[n]).reshape(-1, 3) for n in images])
    rgb = np.concatenate([images[n].rgb.reshape(-1, 3) for n in images])
    inside = ((xyz > settings.low) & (xyz < settings.high)).all(1)
    inside &= xyz[:, 2] > settings.table_top
    xyz, rgb = xyz[inside], rgb[inside] / 127.5 - 1
    if settings.wants_tip:
        outside = ~on_hand(xyz, _known_tip(settings, tip), settings.hand)
        xyz, rgb = xyz[outside], rgb[outside]
    parts = []
    for chosen, voxel, most in _zones(xyz, settings, tip):
        cloud = Cloud(*average_in_voxels(xyz[chosen], rgb[chosen], voxel))
        parts.append(thinned(cloud, most, random))
    return _joined(parts)


def thinned_by_zone(
    cloud: Cloud,
    settings: CloudSettings,
    tip: ArrayLike | None = None,
    random: np.random.Generator | None = None,
) -> Cloud:
    """A cloud with at most as many points near the tip and elsewhere as the settings allow;
    arguments as for `make_cloud`."""
    zones = _zones(cloud.xyz, settings, tip)
    parts = [Cloud(cloud.xyz[chosen], cloud.rgb[chosen]) for chosen, _, _ in zones]
    most = [most for _, _, most in zones]
    return _joined([thinned(part, m, random) for part, m in zip(parts, most, strict=True)])


def _zones(
    xyz: NDArray, settings: CloudSettings, tip: ArrayLike | None
) -> list[tuple[NDArray[np.bool_], float, int]]:
    """Points of each zone (N,), the side of its cubes (m), and how many points it may keep."""
    everywhere = np.ones(len(xyz), bool)
    if not settings.near_points:
        return [(everywhere, settings.voxel, settings.points)]
    middle = _known_tip(settings, tip)[:3]
    near = np.linalg.norm(xyz - middle, axis=1) < settings.near_radius
    return [
        (~near, settings.voxel, settings.points),
        (near, settings.near_voxel, settings.near_points),
    ]


def _known_tip(settings: CloudSettings, tip: ArrayLike | None) -> NDArray[np.float64]:
    """The pose (7,) of a tip that is needed, or a ValueError."""
    if tip is None:
        raise ValueError(
            f"near_points={settings.near_points} and hand={settings.hand} depend on where the "
            f"gripper is, which was not given; give tip=, or near_points=0 and hand={NO_HAND}"
        )
    return np.asarray(tip, float)


def _joined(parts: Sequence[Cloud]) -> Cloud:
    xyz, rgb = (np.concatenate(arrays).astype(np.float32) for arrays in zip(*parts, strict=True))
    return Cloud(xyz, rgb)


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
    cells = np.floor(xyz / voxel).astype(np.int64)
    order = np.lexsort(cells.T[::-1])  # several times as fast as to sort rows
    cells = cells[order]
    begins = np.r_[True, (cells[1:] != cells[:-1]).any(1)]
    cube = np.empty(len(cells), np.int64)
    cube[order] = np.cumsum(begins) - 1
    columns = np.concatenate([xyz, rgb], 1).T
    sums = np.stack([np.bincount(cube, column) for column in columns], 1)
    means = sums / np.bincount(cube)[:, None]
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
