"""Plans that are short of time: what they leave out, and that they say so."""

import numpy as np
import pytest

from equigrasp import plan_anywhere, plan_result
from equigrasp.detection import DetectionConfig
from equigrasp.perception.camera import fixed_view
from equigrasp.plan_result import SHORTENED
from equigrasp.planner import GraspPlanner

CAREFUL = DetectionConfig(refine_steps=4, clearance=0.0, unseen="careful", quality_threshold=0.2)


class Time:
    """A clock that moves when a model is asked: a second for every thousand points."""

    def __init__(self, model):
        self.now, self._query = 0.0, model.query
        self.calls = []

    def perf_counter(self):
        return self.now

    def query(self, features, points, outputs=("quality", "rotation", "width"), **options):
        count = points.shape[1]
        self.now += count * options.get("num_samples", 1) / 1000
        self.calls.append((outputs, count, options.get("num_samples")))
        return self._query(features, points, outputs, **options)


@pytest.fixture
def planner():
    return GraspPlanner.from_pretrained("equiigd_pile", detection=CAREFUL)


@pytest.fixture
def plan(planner, camera, depth_image, monkeypatch):
    def make(budget, tempo=True):
        if tempo:
            clock = Time(planner.model)
            monkeypatch.setattr(plan_result, "time", clock)
            monkeypatch.setattr(planner.model, "query", clock.query)
        result = planner.plan(depth_image(), camera, fixed_view(), time_budget=budget)
        monkeypatch.undo()
        return result, clock.calls if tempo else []

    return make


def same(one, other):
    np.testing.assert_array_equal(one.poses, other.poses)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_with_time_enough_nothing_changes(plan):
    free, _ = plan(None, tempo=False)
    rich, _ = plan(3000.0, tempo=False)
    same(free, rich)
    assert free.shortened == rich.shortened == {}
    assert len(free) > 0


def test_what_is_worth_least_goes_first(plan):
    _, calls = plan(None)
    quality = sum(count for outputs, count, _ in calls[:2])
    seen, shortened = [], []
    for extra in (1e3, 0.5, 0.1, 0.02, 1e-6):
        result, asked = plan(quality / 1000 + extra)
        seen.append([samples for outputs, _, samples in asked if "rotation" in outputs][0])
        shortened.append(list(result.shortened))
        refined = sum(outputs == ("quality",) for outputs, *_ in asked) > 2
        assert refined == ("refinement" not in result.shortened)
    assert shortened[0] == []
    assert shortened == sorted(shortened, key=len)
    assert set(shortened[-1]) == set(SHORTENED)
    assert seen == sorted(seen, reverse=True)
    assert (seen[0], seen[-1]) == (8, 1)


def test_what_was_left_out_is_said_and_true(plan):
    result, _ = plan(1e-6)
    assert set(result.shortened) == set(SHORTENED)
    assert result.shortened["samples"] == "1 of 8 rotations were sampled at each peak"
    assert result.shortened["refinement"] == "peaks were not refined (4 steps)"
    assert np.isnan(result.clearances).all()
    assert (result.under == -1).all()
    assert not {"clearance", "unseen"} & set(result.dropped)


def test_a_model_that_does_not_sample_leaves_no_samples_out(blob_planner, camera, depth_image):
    result = blob_planner().plan(depth_image(), camera, fixed_view(), time_budget=1e-6)
    assert set(result.shortened) == {"measures"}  # there is nothing else to leave out


def test_the_cubes_of_a_large_table_share_the_time(blob_planner, camera, depth_image):
    planner, given = blob_planner(), []
    original = planner.plan

    def plan(*args, time_budget, **options):
        given.append(time_budget)
        return original(*args, **options)

    planner.plan = plan
    plan_anywhere(planner, depth_image(), camera, time_budget=100.0)
    assert 0 < sum(given) <= 100.0
    assert sum(given) > 50.0


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan"), "soon"])
def test_a_time_that_is_none_is_refused(blob_planner, camera, depth_image, budget):
    with pytest.raises(ValueError, match="time_budget"):
        blob_planner().plan(depth_image(), camera, fixed_view(), time_budget=budget)
    with pytest.raises(ValueError, match="time_budget"):
        plan_anywhere(blob_planner(), depth_image(), camera, time_budget=budget)
