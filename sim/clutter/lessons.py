"""Attempts from which a judge learns: what it looked at, and what became of the grasp.

Rounds are played as an evaluation plays them, so that what stands there is what earlier grasps have
left. Before the best grasp of a plan is executed, others are rehearsed in copies of the world: the
next best and some of the rest. Of a model that draws rotations, some were drawn once instead of
picked among several: a judge that is only shown what it likes would like anything else too.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equigrasp.calibration import circumstances
from equigrasp.detection import DetectionConfig
from equigrasp.grasp import Grasp
from equigrasp.hand import Hand
from equigrasp.models.base import GRASP_OUTPUTS, GraspField, GraspModel
from equigrasp.nn.freeze import freeze
from equigrasp.plan_result import PlanResult
from equigrasp.planner import GraspPlanner
from equigrasp.training.judge_tuning import judged_model
from equigrasp.weights import load_model
from sim.clutter.outcomes import spread
from sim.clutter.planners.model import ModelPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene
from sim.clutter.scene_view import SceneView

DRAWN_ALONE = 3
"""One in so many grasps that are tried has a rotation that was drawn once."""


def lessons(
    settings: dict[str, Any], scene: str, seed: int, index: int, hand: dict[str, Any], tries: int
) -> dict[str, Any]:
    """Clear one scene and try `tries` grasps of every plan. Runs in worker processes.

    Args:
        settings: `EvalSettings.to_dict()`, of weights with a judge, or that can get one.
        scene: the scene as JSON.
        seed, index: seed and number of the round.
        hand: that of the settings, with the folders of its files.
        tries: grasps of each plan.

    Returns:
        JSON-able: "seed" and "round" as they were given; of each grasp, under "tried", the number
        of its "plan", "judged" (see `packed`), logit of the "quality", circumstances ("about") and
        "success".

    Raises:
        ValueError: the weights can have no judge.
    """
    from sim.scene.builders import Scene

    options, grasping = EvalSettings(**settings), Hand.of(hand)
    picked, alone = _planners(
        options.model, tuple(sorted(options.detection.items())), options.table_rectify
    )
    played = Round(options, Scene.from_json(scene), seed, index, grasping)
    tried: list[dict[str, Any]] = []
    plans = 0

    def try_some(seen: SceneView, plan: PlanResult) -> None:
        nonlocal plans
        noted = picked.noted()
        drawn = tries // DRAWN_ALONE if alone else 0
        chosen = _some(plan.grasps, tries - drawn)
        if alone:
            alone.planner.seed = plans
            others = alone.plan(seen).grasps
            noted |= alone.noted()
            chosen += [others[rank] for rank in spread(others, drawn)]
        table = seen.world.workspace.table_height
        for grasp in chosen:
            about = circumstances(
                grasp.position, grasp.rotation, grasp.width, grasping.opening, table
            )
            judged, quality = noted[_key(grasp.rotation)]
            told = {"plan": plans, "judged": packed(judged), "quality": quality}
            success = seen.rehearse(grasp).success
            tried.append({**told, "about": about.tolist(), "success": success})
        plans += 1

    with played.laid_out() as world:
        clear_scene(world, played, picked, try_some)
    return {"seed": seed, "round": index, "tried": tried}


def packed(values: NDArray[np.floating]) -> str:
    """Numbers (C,) as text, rounded to float16; `unpacked` is its inverse."""
    return base64.b64encode(np.asarray(values, "<f2").tobytes()).decode("ascii")


def unpacked(text: str) -> NDArray[np.float32]:
    """Numbers (C,) of `packed`.

    Raises:
        ValueError: the text holds no such numbers.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)


class Witness:
    """A model that notes what its judge looked at, for every rotation that it answers with.

    Args:
        model: frozen, with a judge.
    """

    def __init__(self, model: GraspModel) -> None:
        self.model = model
        self.noted: dict[bytes, tuple[NDArray[np.float32], float]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def query(
        self,
        features: Any,
        points: torch.Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
        **how: Any,
    ) -> GraspField:
        """What the model answers."""
        field = self.model.query(features, points, outputs, **how)
        if "confidence" in outputs:
            turns = field.rotation.unsqueeze(2)
            looked, quality = self.model.judged_at(features, points, turns)
            rows = zip(field.rotation[0], looked[0, :, 0], quality[0], strict=True)
            self.noted = {_key(turn): (row.numpy(), float(q)) for turn, row, q in rows}
        return field


class WitnessedPlanner(ModelPlanner):
    """A planner whose model is a `Witness`; arguments as those of `ModelPlanner`.

    Raises:
        ValueError: the weights can have no judge.
    """

    def __init__(self, weights: str, detection: Mapping[str, Any], rectify: bool) -> None:
        model = load_model(weights, frozen=False)
        judged = freeze(judged_model(model))
        judged.card, judged.calibration = model.card, model.calibration
        self.planner = GraspPlanner(
            Witness(judged), DetectionConfig(**detection), rectify_table=rectify
        )

    def noted(self) -> dict[bytes, tuple[NDArray[np.float32], float]]:
        """What the judge looked at and the logit of quality, by rotation, in the last plan."""
        return dict(self.planner.model.noted)


def _key(rotation: Any) -> bytes:
    """A rotation (3, 3) as the network gave it."""
    return np.ascontiguousarray(rotation, np.float32).tobytes()


def _some(grasps: Sequence[Grasp], count: int) -> list[Grasp]:
    """At most `count` grasps of a list: the best, and as many spread over the rest."""
    best = range(min((count + 1) // 2, len(grasps)))
    rest = [len(best) + rank for rank in spread(grasps[len(best) :], count - len(best))]
    return [grasps[rank] for rank in (*best, *rest)]


@lru_cache(maxsize=1)
def _planners(
    model: str, detection: tuple[tuple[str, Any], ...], rectify: bool
) -> tuple[WitnessedPlanner, WitnessedPlanner | None]:
    """One that picks among several rotations, and one that draws one, if the model draws any."""
    options = dict(detection)
    picked = WitnessedPlanner(model, options, rectify)
    if not picked.planner.model.samples_rotations:
        return picked, None
    return picked, WitnessedPlanner(model, {**options, "num_samples": 1}, rectify)
