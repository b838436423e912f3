"""A round as a person would tell it: the looks at the table, the grasps, what became of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.plan_result import PlanResult
from sim.clutter.pictures import outline_hand
from sim.clutter.planner import ClutterPlanner
from sim.clutter.planners import WEIGHTS, make_planner, planner_class, planner_classes
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene, observe, recorded_grasp, replayed
from sim.clutter.scene_lists import build_round
from sim.clutter.scene_view import SceneView

FATES = {
    "SUCCESS": "lifted an object",
    "COLLISION_START": "failed: the hand hit something at once",
    "COLLISION_APPROACH": "failed: the hand hit something on its way",
    "EMPTY_CLOSE": "failed: nothing between the fingers",
    "SLIPPED": "failed: the object slipped out",
}
ENDS = {
    "cleared": "every object is gone",
    "failures": "too many failures in a row",
    "empty_view": "no object is in view",
    "no_grasp": "the planner offers no grasp",
}


@dataclass(frozen=True)
class Look:
    """A look at the table: the noisy depth image (H, W) in metres, its camera, and the plan."""

    depth: np.ndarray
    intrinsics: Any
    T_world_camera: np.ndarray
    plan: PlanResult | None = None

    @classmethod
    def of(cls, seen: SceneView, plan: PlanResult | None = None) -> Look:
        """What is kept of a view when its simulated world is gone."""
        return cls(seen.depth, seen.intrinsics, seen.T_world_camera, plan)


@dataclass(frozen=True)
class Story:
    """A round that was played.

    Attributes:
        record: see `sim.clutter.rounds.clear_scene`.
        looks: one before each attempt.
        after: the table at the end.
        hand: that grasped.
    """

    record: dict[str, Any]
    looks: tuple[Look, ...]
    after: Look
    hand: Hand = PANDA

    @property
    def end(self) -> str:
        """Why it ended, in words."""
        reason = self.record.get("without_grasp", {}).get("plan_reason")
        return ENDS[self.record["end"]] + (f" ({reason})" if reason else "")


def play_story(settings: dict[str, Any], seed: int, index: int, hand: dict[str, Any]) -> Story:
    """Build the scene of a round and clear it. Runs in worker processes.

    Args:
        settings: `EvalSettings.to_dict()`.
        seed, index: seed and number of the round.
        hand: that of the settings, with the folders of its files.
    """
    from sim.scene.builders import Scene

    options, grasping = EvalSettings(**settings), Hand.of(hand)
    planner = make_planner(json.dumps(settings, sort_keys=True), grasping)
    text = build_round(
        options.scene,
        options.objects,
        options.split,
        options.num_objects,
        seed,
        index,
        options.scales,
        options.physics,
        options.simulator,
    )
    played = Round(options, Scene.from_json(text), seed, index, grasping)
    looks: list[Look] = []
    with played.laid_out() as world:
        record = clear_scene(
            world, played, planner, lambda seen, plan: looks.append(Look.of(seen, plan))
        )
        after = Look.of(observe(world, played, len(looks)))
    return Story(record, tuple(looks), after, grasping)


def replay_story(
    settings: dict[str, Any], scene: str, record: dict[str, Any], hand: dict[str, Any]
) -> Story:
    """Play a recorded round again, grasp by grasp. Runs in worker processes.

    Plans are made anew where weights made them; the grasp that was recorded comes first in each.

    Args:
        settings: `EvalSettings.to_dict()`.
        scene: the scene as JSON.
        record: of the round, a line of `rounds.jsonl`.
        hand: that of the settings, with the folders of its files.
    """
    from sim.scene.builders import Scene

    options, grasping = EvalSettings(**settings), Hand.of(hand)
    planner = None
    if planner_class(options.model) is planner_classes()[WEIGHTS]:
        planner = make_planner(json.dumps(settings, sort_keys=True), grasping)
    played = Round(options, Scene.from_json(scene), record["seed"], record["round"], grasping)
    views = replayed(played, record["attempts"])
    looks = tuple(
        Look.of(seen, _plan_of(attempt, seen, planner, grasping))
        for attempt, seen in zip(record["attempts"], views, strict=False)
    )
    return Story(record, looks, Look.of(next(views)), grasping)


def _plan_of(
    attempt: dict[str, Any], seen: SceneView, planner: ClutterPlanner | None, hand: Hand
) -> PlanResult:
    """The plan before a recorded attempt, or all that is known of it."""
    tried = recorded_grasp(attempt)
    if planner is None:
        nothing = np.zeros((0, 0, 0), np.float32)
        return PlanResult([tried], "ok", attempt["timings"], nothing, hand=hand)
    plan = planner.plan(seen)
    others = [grasp for grasp in plan.grasps if not _same(grasp, tried)]
    return replace(plan, grasps=[tried, *others])


def _same(grasp: Grasp, other: Grasp) -> bool:
    return bool(np.allclose(grasp.T_world_grasp, other.T_world_grasp, atol=1e-6))


def told(story: Story) -> str:
    """The story in words, a line for every attempt."""
    record = story.record
    names = record["object_ids"]
    lines = [f"{len(names)} objects: {', '.join(names)}"]
    for number, (look, attempt) in enumerate(zip(story.looks, record["attempts"], strict=True), 1):
        plan, best = look.plan, look.plan.grasps[0]
        lines.append(
            f"  {number}. {len(plan.grasps)} grasps in {1000 * plan.timings['total']:.0f} ms "
            f"({plan.queries} points asked); best: score {best.score:.2f}, "
            f"opening {1000 * best.width:.0f} mm, tip at {np.round(best.position, 3)} m: "
            f"{FATES[attempt['fate']]}"
        )
    cleared = sum(attempt["success"] for attempt in record["attempts"])
    lines.append(
        f"  {cleared} of {len(names)} objects cleared in {len(record['attempts'])} grasps, "
        f"{len(record['lost'])} pushed out, {record['left']} left; ended because: {story.end}"
    )
    return "\n".join(lines)


def draw_story(story: Story, title: str) -> Figure:
    """One panel per look: the grasp that was chosen, and what became of it; the end comes last."""
    fates = [FATES[attempt["fate"]] for attempt in story.record["attempts"]]
    looks = [*zip(story.looks, fates, strict=True)]
    looks.append((story.after, f"{story.record['left']} left: {story.end}"))
    columns = min(len(looks), 3)
    rows = -(-len(looks) // columns)
    figure = Figure(figsize=(5 * columns, 4 * rows), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for number, (panel, (look, text)) in enumerate(zip(panels, looks, strict=False), 1):
        near = look.depth[(look.depth > 0) & (look.depth < 0.9)]
        panel.imshow(look.depth, cmap="turbo_r", vmin=near.min(), vmax=near.max())
        panel.set_title(f"{number}. {text}", fontsize=10)
        if look.plan is not None:
            outline_hand(panel, look.plan.grasps[0], look, story.hand)
        panel.set(xlim=(120, 520), ylim=(400, 100))
    return figure
