"""What is wrong with an episode on disk, in sentences."""

from __future__ import annotations

from equigrasp.policy.episodes.files import LOW_DIM, Episode, EpisodeError
from equigrasp.policy.episodes.frames import CAMERAS, IMAGES

_DESCRIBED = "_camera_extrinsics"
"""Ending of the entry that tells where a camera is."""


def episode_faults(episode: Episode, *, deep: bool = False) -> list[str]:
    """What is wrong with an episode, one sentence each.

    Recorded are the cameras that its first frame describes and those that left images; others need
    not be there, and nor do handles.

    Args:
        episode: on disk.
        deep: whether every image is decoded as well, which takes long.
    """
    faults = []
    try:
        count, _, _ = len(episode.demo), episode.variation, episode.descriptions
    except EpisodeError as error:
        return [str(error)]
    described = described_cameras(episode)
    for camera in dict.fromkeys([*described, *episode.cameras]):
        if camera not in episode.cameras:
            faults.append(f"{episode.path}: no images of camera '{camera}'")
            continue
        if camera not in described:
            faults.append(f"{episode.path / LOW_DIM}: does not describe camera '{camera}'")
            continue
        for kind in IMAGES:
            if kind != "mask" or (episode.path / f"{camera}_mask").is_dir():
                faults += _image_faults(episode, camera, kind, count, deep)
    if not described and not episode.cameras:
        faults.append(f"{episode.path}: no images of cameras, and none is described")
    return faults


def described_cameras(episode: Episode) -> list[str]:
    """Cameras that the first frame tells the place of: RLBench's five in its order, then others.

    Raises:
        EpisodeError: see `Episode.demo`.
    """
    told = [n for n, value in episode.demo[0].misc.items() if value is not None]
    found = {n.removesuffix(_DESCRIBED) for n in map(str, told) if n.endswith(_DESCRIBED)}
    return [*(name for name in CAMERAS if name in found), *sorted(found - set(CAMERAS))]


def _image_faults(episode: Episode, camera: str, kind: str, count: int, deep: bool) -> list[str]:
    folder = episode.path / f"{camera}_{kind}"
    stored = {path.name for path in folder.glob("*.png")}
    expected = {f"{index}.png" for index in range(count)}
    if stored != expected:
        return [f"{folder}: {len(stored)} images where the demonstration has {count} frames"]
    faults = []
    for index in range(count if deep else 1):  # the others are most often like the first
        try:
            episode.image(camera, kind, index)
        except EpisodeError as error:
            faults.append(str(error))
    return faults
