"""A network with `equigrasp.planner.GraspPlanner` around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from equigrasp.hand import FILES, Hand, require_same_hand
from equigrasp.plan_result import PlanResult
from sim.clutter.planner import ClutterPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_view import SceneView


class ModelPlanner(ClutterPlanner):
    """Plans from the noisy depth alone.

    Args:
        weights: shipped name or path of saved weights.
        detection: overrides of `DetectionConfig`.
        rectify: undo the depth's global factor with the visible table first.
    """

    name = "model"

    def __init__(self, weights: str, detection: dict | None = None, rectify: bool = True) -> None:
        from equigrasp.detection import DetectionConfig
        from equigrasp.planner import GraspPlanner

        self.planner = GraspPlanner.from_pretrained(
            weights, detection=DetectionConfig(**(detection or {})), rectify_table=rectify
        )

    @classmethod
    def takes(cls, model: str) -> bool:
        """Never: weights are what no other planner takes."""
        return False

    @classmethod
    def from_settings(cls, settings: EvalSettings, hand: Hand) -> ModelPlanner:
        """With the weights that the settings name; the hand is the one they were trained for."""
        return cls(settings.model, settings.detection, settings.table_rectify)

    def plan(self, seen: SceneView) -> PlanResult:
        """Ranked grasps of the network."""
        depth, pose = seen.depth, seen.T_world_camera
        if seen.more:
            images, poses = zip(*seen.more, strict=True)
            depth, pose = np.stack([depth, *images]), np.stack([pose, *poses])
        return self.planner.plan(depth, seen.intrinsics, pose, avoid=seen.avoid)

    @classmethod
    def hand_for(cls, model: str, asked: Hand | None = None) -> Hand:
        """The hand of the model's card; see `ClutterPlanner.hand_for`."""
        from equigrasp.weights import load_model

        own = load_model(model).hand
        if asked is not None:
            require_same_hand(own, f"the model {Path(model).name}", asked, "the evaluation")
            return asked
        files = [getattr(own, name) for name in FILES if getattr(own, name)]
        if any(":" not in file and not Path(file).is_file() for file in files):
            raise ValueError(
                f"the model {Path(model).name} is for the hand '{own.name}', and its card does not "
                f"tell where {', '.join(files)} lie; give the hand's YAML file with --hand"
            )
        return own

    @classmethod
    def made_of(cls, model: str) -> tuple[list[str], list[Path]]:
        """The model's own source, its weights and their card."""
        from equigrasp.registry import model_classes
        from equigrasp.weights import PUBLISHED_SUFFIXES, find_weights, read_card

        if Path(model).suffix in PUBLISHED_SUFFIXES:
            name, files = "giga", [Path(model)]
        else:
            files = list(find_weights(model))
            name = read_card(files[1])["config"]["name"]
        return [model_classes()[name].__module__], files
