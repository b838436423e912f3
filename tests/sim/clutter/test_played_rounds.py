"""Rounds as the recorded tables play them: gamma noise, a random view, a network that plans."""

from dataclasses import replace

import numpy as np
import pytest

from equigrasp.data.vocabulary import Fate
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import DEFAULT_INTRINSICS, random_view
from equigrasp.perception.noise import apply_noise
from equigrasp.plan_result import PlanResult
from equigrasp.planner import GraspPlanner
from sim.clutter import rounds
from sim.clutter.attempts import Attempt, Rehearsal
from sim.clutter.metrics import summarise
from sim.clutter.planners.model import ModelPlanner
from sim.clutter.planners.oracle import OraclePlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene, observe
from sim.clutter.scene_lists import build_round
from sim.grasping.trial import TrialOutcome

SETTINGS = EvalSettings(scene="packed", objects="random_urdfs", view="random", num_objects=3)
WEIGHTS = "giga_packed"
"""They load in a tenth of a second."""
SEED, INDEX = 3, 2
VIEW, NOISE, PLANNER = 1, 2, 3
"""Numbers of the streams; recorded rounds hang on them."""
NOTHING = Grasp(np.array([0.15, 0.15, 0.28]), np.diag([1.0, -1.0, -1.0]), 0.05, 0.9)


def stream(number, attempt):
    """What a round draws from, written down a second time."""
    return np.random.default_rng(np.random.SeedSequence([SEED, INDEX, number, attempt]))


@pytest.fixture(scope="module")
def scene():
    from sim.scene.builders import Scene

    return Scene.from_json(build_round("packed", "random_urdfs", "test", 3, SEED, INDEX))


@pytest.fixture(scope="module")
def whole(scene):
    return Round(SETTINGS, scene, SEED, INDEX)


class Recording:
    """A planner that keeps what another one saw and answered."""

    def __init__(self, planner):
        self.planner, self.seen, self.plans, self.drawn = planner, [], [], []

    def plan(self, seen):
        self.drawn.append(seen.rng.integers(2**32))
        plan = self.planner.plan(seen)
        self.seen.append(replace(seen, world=None, rehearse=None))
        self.plans.append(plan)
        return plan


@pytest.fixture(scope="module")
def network():
    return ModelPlanner(WEIGHTS)


@pytest.fixture(scope="module")
def played(whole, network):
    planner = Recording(network)
    with whole.laid_out() as world:
        record = clear_scene(world, whole, planner)
    assert len(planner.seen) >= 2
    return record, planner


def test_a_network_clears_what_it_sees_in_noise(played):
    record, planner = played
    cleared = [a["object"] for a in record["attempts"] if a["success"]]
    assert cleared
    assert sorted(cleared) == sorted(set(cleared) & set(record["object_ids"]))
    assert record["left"] == record["objects"] - len(cleared) - len(record["lost"])
    assert len(record["attempts"]) == len(planner.plans)


def test_every_attempt_has_its_own_view_and_noise(played):
    _, planner = played
    for attempt, seen in enumerate(planner.seen):
        np.testing.assert_array_equal(seen.T_world_camera, random_view(stream(VIEW, attempt)))
        noisy = apply_noise(seen.clean_depth, "gamma", stream(NOISE, attempt))
        np.testing.assert_array_equal(seen.depth, noisy)
        assert planner.drawn[attempt] == stream(PLANNER, attempt).integers(2**32)
        hit = (seen.clean_depth > 0) & (seen.clean_depth < 1.5)
        assert hit.mean() > 0.1
        assert np.abs(seen.depth - seen.clean_depth)[hit].mean() > 1e-4
    first, second = planner.seen[:2]
    assert not np.array_equal(first.T_world_camera, second.T_world_camera)


def test_the_network_plans_from_the_noisy_image_alone(played, network):
    """Its model, asked directly: the grasps of the round with rectification, others without."""
    _, planner = played
    seen, plan = planner.seen[0], planner.plans[0]

    def asked(depth, rectify):
        alone = GraspPlanner(network.planner.model, rectify_table=rectify)
        return scores(alone.plan(depth, DEFAULT_INTRINSICS, seen.T_world_camera))

    assert asked(seen.depth, True) == scores(plan)
    raw = asked(seen.depth, False)
    assert raw != scores(plan)
    assert raw != asked(seen.clean_depth, False)


def scores(plan):
    return [grasp.score for grasp in plan.grasps]


def test_the_factor_of_the_noise_is_undone(played):
    """It is the first that the noise draws, and the fit finds it to half a percent."""
    _, planner = played
    factors = [stream(NOISE, attempt).gamma(1000.0, 0.001) for attempt in range(len(planner.plans))]
    found = [plan.table.scale for plan in planner.plans]
    np.testing.assert_allclose(found, factors, atol=0.005)
    assert max(abs(factor - 1.0) for factor in factors) > 0.01


def test_the_best_grasp_is_what_is_executed_and_recorded(played):
    record, planner = played
    for attempt, plan in zip(record["attempts"], planner.plans, strict=True):
        best = max(plan.grasps, key=lambda grasp: grasp.score)
        np.testing.assert_array_equal(attempt["pose"], best.T_world_grasp)
        assert (attempt["score"], attempt["width"]) == (best.score, best.width)
    assert any(len(plan.grasps) > 1 for plan in planner.plans)


class Listed:
    """Offers the oracle's grasp with one of nothing before or after it."""

    def __init__(self, last):
        self.oracle, self.last = OraclePlanner(), last

    def plan(self, seen):
        plan = self.oracle.plan(seen)
        plan.grasps[:] = [NOTHING, *plan.grasps] if self.last else [*plan.grasps, NOTHING]
        return plan


@pytest.mark.parametrize("last", [False, True])
def test_the_first_of_a_list_decides(whole, last):
    with whole.laid_out() as world:
        record = clear_scene(world, replace(whole, settings=once()), Listed(last))
    assert record["attempts"][0]["success"] is not last
    assert record["attempts"][0]["fate"] == ("EMPTY_CLOSE" if last else "SUCCESS")


def once():
    """Settings under which one failure ends a round."""
    return replace(SETTINGS, max_failures=1)


class Missing:
    """Grasps nothing, always."""

    def plan(self, seen):
        return PlanResult([NOTHING], "ok", {"total": 0.0}, None)


@pytest.mark.parametrize(
    ("outcomes", "end", "left"),
    [
        ([0, 1, 0, 1, 0, 0], "failures", 1),  # a success starts the count anew
        ([0, 0], "failures", 3),
        ([0, 1, 1, 0, 1], "cleared", 0),
    ],
)
def test_failures_in_a_row_end_a_round_and_no_others(whole, monkeypatch, outcomes, end, left):
    script = iter(outcomes)

    def perform(rehearsal, world, grasp):
        body, known = next(iter(world.bodies.items()))
        if not next(script):
            return Attempt(TrialOutcome(False, 0.08, Fate.SLIPPED), None, ())
        world.remove(body)
        return Attempt(TrialOutcome(True, 0.03, Fate.SUCCESS, body), known.object_id, ())

    monkeypatch.setattr(Rehearsal, "perform", perform)
    with whole.laid_out() as world:
        record = clear_scene(world, whole, Missing())
    assert [a["success"] for a in record["attempts"]] == [bool(each) for each in outcomes]
    assert (record["end"], record["left"]) == (end, left)


def test_what_flies_off_the_table_is_lost_and_nobodys_success(whole):
    with whole.laid_out() as world:
        thrown = next(iter(world.bodies))
        name = world.bodies[thrown].object_id
        world.p.resetBaseVelocity(thrown, (4.0, 0.0, 2.0), (0.0, 0.0, 0.0))
        record = clear_scene(world, replace(whole, settings=once()), Missing())
    assert record["lost"] == [name]
    (attempt,) = record["attempts"]
    assert (attempt["success"], attempt["object"], attempt["lost"]) == (False, None, 1)
    assert (record["objects"], record["left"]) == (3, 2)
    summary = summarise([{**record, "seed": 0}])
    assert (summary["successes"], summary["objects_lost"], summary["objects"]) == (0, 1, 3)
    assert summary["dr"]["pooled"] == 0.0


def test_views_of_rounds_and_attempts_differ_and_come_back(whole):
    """With the view that stays, only the noise is drawn anew."""
    poses = [whole.cameras(0)[0], whole.cameras(1)[0], replace(whole, index=0).cameras(0)[0]]
    poses.append(replace(whole, seed=4).cameras(0)[0])
    for one, pose in enumerate(poses):
        for other in poses[one + 1 :]:
            assert np.abs(pose - other).max() > 1e-3
    np.testing.assert_array_equal(poses[0], whole.cameras(0)[0])
    still = replace(whole, settings=replace(SETTINGS, view="fixed"))
    np.testing.assert_array_equal(still.cameras(0), still.cameras(5))
    with still.laid_out() as world:
        first, second = observe(world, still, 0), observe(world, still, 1)
        np.testing.assert_array_equal(first.clean_depth, second.clean_depth)
        assert not np.array_equal(first.depth, second.depth)
        np.testing.assert_array_equal(first.depth, observe(world, still, 0).depth)


@pytest.mark.parametrize("success", [True, False])
def test_a_touch_on_the_way_is_neither_success_nor_failure(success):
    fate = Fate.SUCCESS if success else Fate.SLIPPED
    outcome = TrialOutcome(success, 0.03, fate, 1 if success else None, frozenset({1, 2}))
    touched = Attempt(outcome, "can" if success else None, ("bowl",))
    told = rounds._told(touched, PlanResult([NOTHING], "ok", {}, np.zeros((2, 2, 2), np.float32)))
    assert (told["success"], told["fate"], told["lost"]) == (success, fate.name, 1)
