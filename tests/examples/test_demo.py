"""The demo's own part: its story in words and pictures. What it calls is tested elsewhere."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from equigrasp.grasp import Grasp
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.plan_result import PlanResult
from sim.scene.renderer import SceneGeometry

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def demo():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        yield importlib.import_module("demo")
        sys.modules.pop("demo")


@pytest.fixture(scope="module")
def depth():
    return SceneGeometry([]).render(DEFAULT_INTRINSICS, fixed_view())


def make_round(demo, depth, fates):
    down = np.diag([1.0, -1.0, -1.0])
    plan = PlanResult(
        [Grasp(np.array([0.15, 0.15, 0.07]), down, 0.04, 0.9)],
        "ok",
        {"total": 0.1},
        np.ones((40, 40, 40), np.float32),
        queries=7,
    )
    attempts = tuple(demo.Attempt(depth, plan, fate) for fate in fates)
    return demo.Round(("mug", "box", "ball"), attempts, 1, 0, depth, "two failures in a row")


def test_the_report_tells_every_step(demo, depth, capsys):
    demo.report("pile", make_round(demo, depth, ["SUCCESS", "SLIPPED", "EMPTY_CLOSE"]))
    said = capsys.readouterr().out
    assert "mug, box, ball" in said
    assert (
        said.index("1. 1 grasps in 100 ms") < said.index("slipped") < said.index("nothing between")
    )
    assert "1 of 3 objects cleared in 3 grasps, 0 pushed out, 1 left" in said


@pytest.mark.parametrize("fates", [[], ["SUCCESS"], ["SUCCESS"] * 3])
def test_pictures_are_written(demo, depth, fates, tmp_path):
    demo.draw("packed", make_round(demo, depth, fates), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    first_look = {f"packed_{name}.png" for name in ("depth", "tsdf", "grasps")} if fates else set()
    assert names == first_look | {"packed_story.png"}


def test_every_fate_of_a_trial_has_words(demo):
    from equigrasp.data.vocabulary import Fate

    static = {"STATIC_COLLISION", "EMPTY_REGION"}  # the labeller's, never an executed grasp's
    assert set(demo.FATES) == {fate.name for fate in Fate} - static
