"""The only place that imports RLBench: its parts, its tasks, and what to say where it is not."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.policy.episodes.frames import CAMERAS

PERACT_18 = (
    *("close_jar", "insert_onto_square_peg", "light_bulb_in", "meat_off_grill", "open_drawer"),
    *("place_cups", "place_shape_in_shape_sorter", "place_wine_at_rack_location"),
    *("push_buttons", "put_groceries_in_cupboard", "put_item_in_drawer", "put_money_in_safe"),
    *("reach_and_drag", "slide_block_to_color_target", "stack_blocks", "stack_cups"),
    *("sweep_to_dustpan_of_size", "turn_tap"),
)
"""Tasks of the published comparison; some exist in PerAct's fork of RLBench only."""


class Parts:
    """What is used of RLBench and PyRep.

    Raises:
        ModuleNotFoundError: they are not installed, or do not load; the message says what to do.
    """

    def __init__(self) -> None:
        self.Environment = _part("rlbench.environment", "Environment")
        self.CameraConfig = _part("rlbench.observation_config", "CameraConfig")
        self.ObservationConfig = _part("rlbench.observation_config", "ObservationConfig")
        self.Demo = _part("rlbench.demo", "Demo")
        self.MoveArmThenGripper = _part("rlbench.action_modes.action_mode", "MoveArmThenGripper")
        self.Planning = _part("rlbench.action_modes.arm_action_modes", "EndEffectorPoseViaPlanning")
        self.Discrete = _part("rlbench.action_modes.gripper_action_modes", "Discrete")
        self.unreachable: tuple[type[Exception], ...] = (
            _part("rlbench.backend.exceptions", "InvalidActionError"),
            _part("pyrep.errors", "ConfigurationPathError"),
            _part("pyrep.errors", "IKError"),
        )

    def action_mode(self) -> Any:
        """RLBench's action mode: the arm moves as planned, then the gripper opens or closes."""

        class KeyframeAction(self.MoveArmThenGripper):
            # The action modes of PerAct's fork expect a ninth number, whether collisions are
            # ignored, and heed them without it. Calling both parts with the numbers that are
            # theirs ignores collisions in either version, as the published protocol does.
            def action(self, scene: Any, action: NDArray[np.float64]) -> None:
                self.arm_action_mode.action(scene, np.array(action[:7]))
                self.gripper_action_mode.action(scene, np.array(action[7:]))

        return KeyframeAction(
            arm_action_mode=self.Planning(collision_checking=False),
            gripper_action_mode=self.Discrete(),
        )

    def observation_config(self, cameras: Sequence[str], image_size: int, masks: bool) -> Any:
        """What RLBench shall render and record.

        Args:
            cameras: that take images; the others are removed from the scene.
            image_size: pixels per side.
            masks: whether object handles are rendered as well, which takes as long again.
        """

        def camera(name: str) -> Any:
            used = name in cameras
            return self.CameraConfig(
                rgb=used,
                depth=used,
                point_cloud=False,
                mask=used and masks,
                image_size=(image_size, image_size),
                masks_as_one_channel=False,  # RLBench adds up floats: large handles come out wrong
                depth_in_meters=True,
            )

        return self.ObservationConfig(
            **{f"{name}_camera": camera(name) for name in CAMERAS},
            joint_velocities=True,
            joint_positions=True,
            joint_forces=True,
            gripper_open=True,
            gripper_pose=True,
            gripper_matrix=True,
            gripper_joint_positions=True,
            gripper_touch_forces=False,
            task_low_dim_state=False,
        )


def task_names() -> list[str]:
    """Names of the tasks of the RLBench that is installed.

    Raises:
        ModuleNotFoundError: see `Parts`.
    """
    folders = _module("rlbench.tasks").__path__
    return sorted(module.name for module in pkgutil.iter_modules(folders))


def task_class(name: str) -> Any:
    """RLBench's class of a task.

    Raises:
        ValueError: the RLBench that is installed has no task of that name.
        ModuleNotFoundError: see `Parts`.
    """
    names = task_names()
    if name not in names:
        close = difflib.get_close_matches(name, names, 3) or names
        fork = "; it comes with PerAct's fork of RLBench" if name in PERACT_18 else ""
        raise ValueError(
            f"the RLBench that is installed has no task '{name}'{fork}; it has {', '.join(close)}"
        )
    words = name.split("_")
    return _part(f"rlbench.tasks.{name}", "".join(word[:1].upper() + word[1:] for word in words))


def _part(module: str, name: str) -> Any:
    return getattr(_module(module), name)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"RLBench 1.2 or newer cannot be loaded ({error}): it needs Linux, CoppeliaSim 4.1 "
            "(from coppeliarobotics.com, with COPPELIASIM_ROOT and LD_LIBRARY_PATH set to its "
            "folder), and PyRep and RLBench installed from GitHub (stepjam/PyRep and "
            "stepjam/RLBench, or PerAct's fork of it), since no package index has them: the "
            "'pyrep' on PyPI is something else"
        ) from error
