"""Scenes unlike those of the demonstrations in one respect: held-out generalisation.

Everything else about a scene is as its seed has it, and so is the answer: the script reaches the
goal here too.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from equigrasp.geometry.transforms import Matrix, make_transform
from equigrasp.policy.episodes.frames import CAMERAS
from sim.keyframes.held_out_kinds import HELD_OUT
from sim.stage.arm import Arm
from sim.stage.bodies import box, cylinder
from sim.stage.stage import TABLE_TOP, Stage
from sim.stage.task import Task

HUE, FADED = 0.03, 0.7
"""Shades differ by up to so much in hue (of 1), and keep at least so much of their value."""
SMALLER, LARGER = (0.8, 0.9), (1.1, 1.2)
"""Factors between which sizes are drawn; demonstrations have 1."""
CAMERA_SHIFT, CAMERA_TURN = 0.03, math.radians(5)
"""How far (m) and by how much (rad) a camera is moved, whatever the direction and the axis."""
DISTRACTORS, ASIDE, HALF = 2, 0.04, 0.018
"""How many, how far (m) from all that the scene has, and half their size (m)."""
ALONG, ACROSS = (0.0, 0.4), (0.2, 0.36)
"""They lie to the left and right of where the arm works: x, and y to either side, m."""
OTHER_COLOURS = ((0.35, 0.25, 0.15), (0.85, 0.8, 0.65), (0.3, 0.35, 0.4))
"""That no task has."""
WORDS = {
    "put": "bring",
    "use": "employ",
    "insert": "thread",
    "open": "unlatch",
    "press": "tap",
    "slide": "shift",
    "stack": "heap",
    "sweep": "wipe",
    "turn": "rotate",
}
"""First words of the sentences of evaluations, and what stands for them where no demonstration says
so."""
POLITELY = "kindly"


class HeldOut:
    """Changes to the scene of one episode.

    Args:
        kind: one of `HELD_OUT`.
        random: decides what is changed how.

    Attributes:
        cameras: pose (4, 4) of each camera in the frame of where it would stand.

    Raises:
        ValueError: there is no such kind.
    """

    def __init__(self, kind: str, random: np.random.Generator) -> None:
        if kind not in HELD_OUT:
            raise ValueError(f"nothing is held out by '{kind}'; there are {', '.join(HELD_OUT)}")
        self.kind, self._random = kind, random
        self.cameras: dict[str, Matrix] = {}
        if kind == "camera":
            self.cameras = {name: moved_camera(random) for name in CAMERAS}

    def begin(self, stage: Stage, task: Task) -> None:
        """Before the scene is built: shades and sizes.

        Raises:
            ValueError: other sizes of a task that has none.
        """
        if self.kind == "colours":
            hue, faded = self._random.uniform(-HUE, HUE), self._random.uniform(FADED, 0.9)
            stage.tint = lambda colour: shaded(colour, hue, faded)
        if self.kind == "sizes":
            if not task.has_size:
                raise ValueError(f"{task.name} has no size to be changed; leave it out of --tasks")
            side = SMALLER if self._random.random() < 0.5 else LARGER
            task.size = self._random.uniform(*side)

    def end(self, stage: Stage, arm: Arm) -> None:
        """After the scene is built: what else lies there.

        Raises:
            RuntimeError: there is no room left.
        """
        if self.kind == "distractors":
            for _ in range(DISTRACTORS):
                add_distractor(stage, arm, self._random)


def in_other_words(sentence: str) -> str:
    """A sentence that asks for the same with words that no demonstration has.

    Raises:
        ValueError: its first word is none of `WORDS`.
    """
    first, rest = sentence.split(" ", 1)
    if first not in WORDS:
        raise ValueError(f"'{sentence}' begins with none of {', '.join(WORDS)}")
    return f"{POLITELY} {WORDS[first]} {rest}"


def shaded(colour: Sequence[float], hue: float, faded: float) -> tuple[float, float, float]:
    """A colour (red, green, blue in [0, 1]) with its hue moved and its value times `faded`."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    return colorsys.hsv_to_rgb((h + hue) % 1.0, s, v * faded)


def moved_camera(random: np.random.Generator) -> Matrix:
    """Pose (4, 4) of a camera that stands `CAMERA_SHIFT` from the frame it is given in, turned by
    `CAMERA_TURN`."""
    shift, axis = random.normal(size=(2, 3))
    turn = Rotation.from_rotvec(CAMERA_TURN * axis / np.linalg.norm(axis)).as_matrix()
    return make_transform(turn, CAMERA_SHIFT * shift / np.linalg.norm(shift))


def add_distractor(stage: Stage, arm: Arm, random: np.random.Generator) -> None:
    """A small thing on the table, away from everything else.

    Raises:
        RuntimeError: there is no room left.
    """
    others = [b for b in range(stage.p.getNumBodies()) if b not in (stage.table, arm.body)]
    bounds = np.array(
        [
            stage.p.getAABB(body, link)
            for body in others
            for link in range(-1, stage.p.getNumJoints(body))
        ]
    )
    low, high = bounds[:, 0, :2] - ASIDE - HALF, bounds[:, 1, :2] + ASIDE + HALF
    for _ in range(500):
        side = 1 if random.random() < 0.5 else -1
        place = np.array([random.uniform(*ALONG), side * random.uniform(*ACROSS)])
        if not ((place > low) & (place < high)).all(1).any():
            break
    else:
        raise RuntimeError("the table has no room left for a distractor")
    solid = box((HALF,) * 3) if random.random() < 0.5 else cylinder(HALF, 2 * HALF)
    colour = OTHER_COLOURS[random.integers(len(OTHER_COLOURS))]
    yaw = random.uniform(-math.pi, math.pi)
    stage.add(solid, (*place, TABLE_TOP + HALF), colour, yaw=yaw)
