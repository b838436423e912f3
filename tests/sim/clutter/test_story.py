"""A round in words and pictures."""

import numpy as np
import pytest

from equigrasp.data.vocabulary import Fate
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.plan_result import PlanResult
from sim.clutter.protocol import EvalSettings
from sim.clutter.story import ENDS, FATES, Look, Story, draw_story, play_story, told
from sim.scene.renderer import SceneGeometry


@pytest.fixture(scope="module")
def depth():
    return SceneGeometry([]).render(DEFAULT_INTRINSICS, fixed_view())


def story(depth, fates, end="failures"):
    best = Grasp(np.array([0.15, 0.15, 0.07]), np.diag([1.0, -1.0, -1.0]), 0.04, 0.9)
    plan = PlanResult([best], "ok", {"total": 0.1}, np.ones((40, 40, 40), np.float32), queries=7)
    look = Look(depth, DEFAULT_INTRINSICS, fixed_view(), plan)
    record = {
        "object_ids": ["mug", "box", "ball"],
        "attempts": [{"fate": fate, "success": fate == "SUCCESS"} for fate in fates],
        "lost": [],
        "left": 1,
        "end": end,
    }
    return Story(record, (look,) * len(fates), Look(depth, DEFAULT_INTRINSICS, fixed_view()))


def test_every_step_is_told_in_order(depth):
    said = told(story(depth, ["SUCCESS", "SLIPPED", "EMPTY_CLOSE"]))
    assert "mug, box, ball" in said
    steps = ["1. 1 grasps in 100 ms", "lifted", "slipped", "nothing between"]
    assert sorted(steps, key=said.index) == steps
    assert "1 of 3 objects cleared in 3 grasps, 0 pushed out, 1 left" in said


@pytest.mark.parametrize("fates", [[], ["SUCCESS"], ["SUCCESS"] * 3])
def test_every_look_has_a_panel(depth, fates):
    panels = draw_story(story(depth, fates), "a scene").axes
    titles = [panel.get_title() for panel in panels if panel.get_title()]
    assert len(titles) == len(fates) + 1
    assert titles[-1].endswith("too many failures in a row")


def test_every_fate_and_end_has_words():
    static = {"STATIC_COLLISION", "EMPTY_REGION"}  # the labeller's, never an executed grasp's
    assert set(FATES) == {fate.name for fate in Fate} - static
    assert set(ENDS) == {"cleared", "failures", "empty_view", "no_grasp"}


def test_the_story_of_a_round_has_a_look_for_every_attempt():
    settings = EvalSettings("packed", objects="random_urdfs", num_objects=1, model="antipodal")
    played = play_story(settings.to_dict(), 0, 0, Story.hand.to_dict())
    assert len(played.looks) == len(played.record["attempts"]) > 0
    for look, attempt in zip(played.looks, played.record["attempts"], strict=True):
        assert look.plan.grasps[0].score == attempt["score"]
    assert "1 objects" in told(played)
    assert not np.array_equal(played.after.depth, played.looks[0].depth)
