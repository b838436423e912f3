"""What is wrong with an episode on disk, in sentences."""

from __future__ import annotations

from equigrasp.policy.episodes.checks import NO_CAMERAS, described_cameras
from equigrasp.policy.episodes.files import LOW_DIM, Episode, EpisodeError
from equigrasp.policy.episodes.frames import IMAGES


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
    described = described_cameras(episode.demo[0])
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
    if not described:
        kept = "" if episode.cameras else "no images of cameras, and "
        faults.insert(0, f"{episode.path}: {kept}none is described; {NO_CAMERAS}")
    return faults


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
