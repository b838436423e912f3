"""A recorded demonstration, from whatever files it lies in: a take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from equigrasp.policy.episodes.checks import OPEN_FROM, checked_keyframes
from equigrasp.policy.episodes.frames import Frame, FrameState
from equigrasp.policy.episodes.keypoints import discover_keypoints
from equigrasp.policy.recording.motion import joint_speeds, opening
from equigrasp.policy.recording.rig import Look, Rig


class RecordingError(ValueError):
    """A recording cannot be used; the message names the take, the frame and the camera."""


@dataclass(frozen=True)
class Moment:
    """What a robot tells of itself in one frame.

    Attributes:
        pose: of the tip in the world: (4, 4), or xyz and quaternion xyzw.
        gripper_open: share of its opening, 1 open and 0 closed.
        camera_poses: (4, 4) in the world of cameras that move.
        joint_velocities: rad/s, or None.
    """

    pose: Any
    gripper_open: Any
    camera_poses: Mapping[str, Any] = field(default_factory=dict)
    joint_velocities: Sequence[float] | None = None


@dataclass(frozen=True, eq=False)
class Take:
    """A recorded demonstration. Images are read when they are asked for.

    Attributes:
        name: unique within its task; for messages, and to know it again.
        task: name of the task.
        sentences: any of which asks for it.
        rig: the cameras.
        moments: of every frame.
        look: colours and depth by camera of a frame.
        marks: numbers of the frames that end an action, marked by hand; None: nobody marked any.
        variation: number of the task's variation.
    """

    name: str
    task: str
    sentences: Sequence[str]
    rig: Rig
    moments: Sequence[Moment]
    look: Callable[[int], Mapping[str, Look]]
    marks: Sequence[int] | None = None
    variation: int = 0

    def __str__(self) -> str:
        return f"{self.task}/{self.name}"

    def keyframes(self) -> list[int]:
        """Frames that end an action: those marked by hand, else gripper events, stops and the end.

        Stops are seen where velocities of the joints are recorded.

        Raises:
            RecordingError: marks that are none, or a gripper's opening that is no share.
        """
        try:
            if not self.moments:
                raise ValueError("it has no frames")
            if self.marks is not None:
                return checked_keyframes(self.marks, len(self.moments))
            found = discover_keypoints([self._state(i) for i in range(len(self.moments))])
            if not found:
                raise ValueError("it has one frame; a demonstration has at least two")
            return found
        except ValueError as error:
            raise RecordingError(f"{self}: {error}") from error

    def frame(self, index: int) -> Frame:
        """A frame with its images.

        Raises:
            RecordingError: an image is missing, torn or implausible, or a pose is none.
        """
        moment = self.moments[index]
        try:
            return self.rig.frame(
                self.look(index),
                moment.pose,
                moment.gripper_open,
                camera_poses=moment.camera_poses,
                joint_velocities=moment.joint_velocities,
            )
        except (ValueError, FileNotFoundError) as error:
            raise RecordingError(f"{self}, frame {index}: {error}") from error

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Some of the frames, one at a time; see `frame`."""
        return (self.frame(index) for index in indices)

    def digest(self, **settings: Any) -> str:
        """Tells this take, as it is converted with settings, from another; images do not count."""
        told = [
            [np.asarray(m.pose).tolist(), m.gripper_open, m.camera_poses, m.joint_velocities]
            for m in self.moments
        ]
        parts = [self.task, list(self.sentences), self.rig.to_dict(), told, self.marks]
        text = json.dumps([*parts, self.variation, settings], default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _state(self, index: int) -> FrameState:
        moment = self.moments[index]
        try:
            share = opening(moment.gripper_open)
            speeds = joint_speeds(moment.joint_velocities)
        except ValueError as error:
            raise ValueError(f"frame {index}: {error}") from error
        return FrameState(gripper_open=float(share >= OPEN_FROM), joint_velocities=speeds)


def _plain(value: Any) -> Any:
    return np.asarray(value).tolist()
