"""RLBench episodes on disk: find, read and write them, in both layouts in use.

    ROOT/TASK/variation3/variation_descriptions.pkl             "variations", RLBench's own
    ROOT/TASK/variation3/episodes/episode0/
    ROOT/TASK/all_variations/episodes/episode0/                 "all_variations", the PerAct fork's:
        variation_number.pkl  variation_descriptions.pkl        these two in every episode

An episode holds `low_dim_obs.pkl` and a folder of PNGs for every camera and kind of image. What is
wrong with one is told by `equigrasp.policy.episodes.faults`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from equigrasp.data.files import atomic_folder, write_atomically
from equigrasp.options import check_list
from equigrasp.policy.episodes import checks, image_files, rlbench_pickle
from equigrasp.policy.episodes.camera import point_cloud
from equigrasp.policy.episodes.frames import CAMERAS, Demo, Frame, FrameCamera, FrameState
from equigrasp.policy.episodes.keypoints import discover_keypoints

LOW_DIM, NUMBER = "low_dim_obs.pkl", "variation_number.pkl"
DESCRIPTIONS = "variation_descriptions.pkl"
ALL_VARIATIONS = "all_variations"
LAYOUTS = ("variations", ALL_VARIATIONS)
NEEDS = "an episode needs at least one frame and one description"

T = TypeVar("T")


class EpisodeError(ValueError):
    """An episode on disk is torn or foreign; the message names the file."""


@dataclass(frozen=True)
class Episode:
    """An episode on disk; files are read when they are asked for.

    Attributes:
        path: its folder.
        task: name of the task.
        number: of the episode.
    """

    path: Path
    task: str
    number: int

    def __len__(self) -> int:
        return len(self.demo)

    @property
    def layout(self) -> str:
        """One of `LAYOUTS`."""
        return ALL_VARIATIONS if self.path.parents[1].name == ALL_VARIATIONS else LAYOUTS[0]

    @cached_property
    def demo(self) -> Demo:
        """States of all frames, without images.

        Its variation is `variation`: PerAct's fork leaves 0 in every file, RLBench says nothing.

        Raises:
            EpisodeError: the file is missing, torn, hostile or no demonstration, or a frame lacks
                what keyframes are made from.
        """
        found = self._checked(self.path / LOW_DIM, checks.checked_demo)
        try:
            found.variation_number = self.variation
        except EpisodeError:  # told when somebody asks for it
            found.variation_number = None
        return found

    @cached_property
    def variation(self) -> int:
        """Number of the task's variation that was played.

        Raises:
            EpisodeError: the file that tells it is missing, torn or hostile.
        """
        if self.layout == ALL_VARIATIONS:
            return self._checked(self.path / NUMBER, checks.variation_of)
        return int(self.path.parents[1].name.removeprefix("variation"))

    @cached_property
    def descriptions(self) -> list[str]:
        """Sentences, any of which asks for this variation.

        Raises:
            EpisodeError: the file that holds them is missing, torn or hostile.
        """
        inside = self.path / DESCRIPTIONS
        file = inside if inside.exists() else self.path.parents[1] / DESCRIPTIONS
        return self._checked(file, checks.sentences_of)

    @cached_property
    def keypoints(self) -> list[int]:
        """Numbers of the frames that end an action: marked ones, else see `discover_keypoints`."""
        marked = self.demo.keyframes
        return discover_keypoints(self.demo) if marked is None else list(marked)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that have a folder of colours: RLBench's five in its order, then others."""
        found = {path.name.removesuffix("_rgb") for path in self.path.glob("*_rgb")}
        return (*(name for name in CAMERAS if name in found), *sorted(found - set(CAMERAS)))

    def camera(self, name: str, frame: int) -> FrameCamera:
        """A camera in one frame.

        Raises:
            EpisodeError: the demonstration does not describe that camera, or not as one.
        """
        state = self.demo[frame]
        try:
            return checks.checked_camera(FrameCamera.of(state, name))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            told = error.args[0] if isinstance(error, KeyError) else error
            if not checks.described_cameras(state):
                told = f"{told}, and no other camera's; {checks.NO_CAMERAS}"
            raise EpisodeError(f"{self.path / LOW_DIM}: frame {frame}, {name}: {told}") from error

    def rgb(self, camera: str, frame: int) -> NDArray[np.uint8]:
        """Colours (H, W, 3), uint8.

        Raises:
            EpisodeError: the image is missing, torn, of another kind, or of another size than its
                intrinsics; so for the other images.
        """
        return self.image(camera, "rgb", frame)

    def depth(self, camera: str, frame: int) -> NDArray[np.float64]:
        """Depth (H, W) along the camera's axis, metres."""
        seen = self.camera(camera, frame)
        return image_files.decode_depth(self.image(camera, "depth", frame), seen.near, seen.far)

    def mask(self, camera: str, frame: int) -> NDArray[np.int32]:
        """Object handles (H, W), int32."""
        return image_files.decode_handles(self.image(camera, "mask", frame))

    def point_cloud(self, camera: str, frame: int) -> NDArray[np.float64]:
        """What each pixel shows: points (H, W, 3) in the world, metres."""
        return point_cloud(self.depth(camera, frame), self.camera(camera, frame))

    def image(self, camera: str, kind: str, frame: int) -> NDArray[np.uint8]:
        """An image (H, W, 3) as its file has it; `kind` is one of `IMAGES`.

        Raises:
            EpisodeError: see `rgb`.
        """
        path = image_path(self.path, camera, kind, frame)
        try:
            image = image_files.read_png(path, coded=kind != "rgb")
        except (FileNotFoundError, ValueError) as error:
            raise EpisodeError(str(error)) from error
        if fault := checks.size_fault(image.shape, self.camera(camera, frame)):
            raise EpisodeError(f"{path}: {fault}")
        return image

    @staticmethod
    def _checked(path: Path, check: Callable[[object], T]) -> T:
        """What a pickle holds, in the form that a check gives it."""
        try:
            found = rlbench_pickle.load(path)
        except (OSError, ValueError, rlbench_pickle.HostilePickleError) as error:
            raise EpisodeError(str(error)) from error
        try:
            return check(found)
        except ValueError as error:
            raise EpisodeError(f"{path}: {error}") from error


def image_path(episode: Path, camera: str, kind: str, frame: int) -> Path:
    """File of one image in an episode's folder; `kind` is one of `IMAGES`."""
    return episode / f"{camera}_{kind}" / f"{frame}.png"


def find_episodes(root: str | Path, tasks: Sequence[str] | None = None) -> list[Episode]:
    """Episodes below a folder, in either layout, by task, variation folder and number.

    Args:
        root: folder of tasks.
        tasks: names; None takes all.

    Raises:
        FileNotFoundError: there is no such folder, or a named task is not in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder; give the one that holds the tasks")
    if tasks is not None:
        tasks = check_list(tasks, "tasks", words=True)
    if missing := sorted(set(tasks or ()) - {p.name for p in root.iterdir() if p.is_dir()}):
        raise FileNotFoundError(f"{root} holds no task '{missing[0]}'")
    found = []
    for task in sorted(tasks or (p.name for p in root.iterdir() if p.is_dir())):
        for path in root.glob(f"{task}/*/episodes/episode*"):
            folder, number = path.parents[1].name, path.name.removeprefix("episode")
            if re.fullmatch(rf"{ALL_VARIATIONS}|variation\d+", folder) and number.isdigit():
                found.append(Episode(path, task, int(number)))
    return sorted(found, key=lambda e: (e.task, *_natural(e.path.parents[1].name), e.number))


def write_episode(
    root: str | Path,
    task: str,
    number: int,
    frames: Iterable[Frame],
    *,
    variation: int,
    descriptions: Sequence[str],
    layout: str = ALL_VARIATIONS,
    random_seed: tuple | None = None,
    keyframes: Sequence[int] | None = None,
) -> Episode:
    """Write an episode whole or not at all; one that is there already is replaced.

    Args:
        root: folder of tasks.
        task, number: of the episode; the number counts within its variation in the layout
            "variations".
        frames: observations with images of all cameras, or of none; one is held at a time.
        variation: of the task.
        descriptions: sentences that ask for it.
        layout: one of `LAYOUTS`.
        random_seed: state of the generator that the scene was drawn from.
        keyframes: numbers of the frames that end an action, where somebody marked them.

    Raises:
        ValueError: no frames, an unknown layout, frames with different cameras, or keyframes that
            do not rise from 1 to the last frame.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout is '{layout}'; use one of {LAYOUTS}")
    sentences = check_list(descriptions, "descriptions", words=True)
    if not sentences:
        raise ValueError(NEEDS)
    shared = layout != ALL_VARIATIONS
    above = Path(root) / task / (f"variation{variation}" if shared else ALL_VARIATIONS)
    target = above / "episodes" / f"episode{number}"
    with atomic_folder(target, sync=False) as unfinished:
        states = [_write_images(unfinished, *numbered) for numbered in enumerate(frames)]
        if not states:
            raise ValueError(NEEDS)
        marked = checks.checked_keyframes(keyframes, len(states))
        _dump(unfinished / LOW_DIM, Demo(states, random_seed, variation, marked))
        if not shared:
            _dump(unfinished / NUMBER, int(variation))
        _dump((above if shared else unfinished) / DESCRIPTIONS, sentences)
        shutil.rmtree(target, ignore_errors=True)
    return Episode(target, task, number)


def _write_images(folder: Path, index: int, frame: Frame) -> FrameState:
    """Write the images of a frame; its state is returned."""
    stored = {path.name.removesuffix("_rgb") for path in folder.glob("*_rgb")}
    if index and stored != set(frame.images):
        raise ValueError("frames differ in their cameras; every frame needs images of all of them")
    for name, images in frame.images.items():
        camera = FrameCamera.of(frame.state, name)
        coded = {
            "rgb": images.rgb,
            "depth": image_files.encode_depth(images.depth, camera.near, camera.far),
        }
        if images.mask is not None:
            coded["mask"] = image_files.encode_handles(images.mask)
        for kind, image in coded.items():
            path = image_path(folder, name, kind, index)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(image_files.png_bytes(image))
    return frame.state


def _dump(path: Path, value: object) -> None:
    write_atomically(path, rlbench_pickle.dumps(value))


def _natural(name: str) -> tuple[str, int]:
    digits = name.lstrip("abcdefghijklmnopqrstuvwxyz_")
    return name.removesuffix(digits), int(digits or 0)
