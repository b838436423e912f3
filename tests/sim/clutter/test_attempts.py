"""An attempt is a function of how the world stands, and a rehearsal is that attempt."""

from dataclasses import replace

import numpy as np
import pytest

from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA
from sim.clutter.attempts import Rehearsal, Standing, attempt_grasp
from sim.clutter.planners.oracle import OraclePlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, clear_scene, observe
from sim.clutter.scene_lists import build_round

SETTINGS = EvalSettings(scene="pile", objects="random_urdfs", noise="none", num_objects=3)


@pytest.fixture(scope="module")
def pile():
    from sim.scene.builders import Scene

    return Round(
        SETTINGS, Scene.from_json(build_round("pile", "random_urdfs", "test", 3, 0, 1)), 0, 1
    )


def onto(standing, height=0.02):
    """Straight down onto the first object."""
    middle = standing.scene.bodies[0].T_world_object[:3, 3]
    return Grasp(middle - [0.0, 0.0, height], np.diag([1.0, -1.0, -1.0]), 0.08, 0.9)


def poses(world):
    return np.array([world.pose(body) for body in world.bodies])


def test_what_a_world_was_used_for_before_leaves_no_trace(pile):
    with pile.laid_out() as used, pile.laid_out() as fresh:
        standing = Standing.of(fresh, pile.scene)
        ends = []
        for world in (fresh, used, used):
            attempt = attempt_grasp(world, standing, pile.objects, PANDA, onto(standing))
            ends.append((attempt, poses(world)))
            attempt_grasp(used, standing, pile.objects, PANDA, onto(standing, 0.0))
        assert not np.array_equal(ends[0][1], [b.T_world_object for b in standing.scene.bodies])
        for attempt, where in ends[1:]:
            assert attempt == ends[0][0]
            np.testing.assert_array_equal(where, ends[0][1])


def test_what_moves_goes_on_moving(pile):
    with pile.laid_out() as world:
        body = next(iter(world.bodies))
        world.p.resetBaseVelocity(body, (0.1, 0.0, 0.3), (0.0, 2.0, 0.0))
        standing = Standing.of(world, pile.scene)
        world.step(30)
        standing.build(world, pile.objects)
        again = Standing.of(world, pile.scene)
    np.testing.assert_allclose(again.velocities[0], [(0.1, 0.0, 0.3), (0.0, 2.0, 0.0)])


class Rehearsing:
    """Rehearses what the oracle offers, and three hands straight down; offers one of them."""

    def __init__(self):
        self.oracle, self.expected = OraclePlanner(), []

    def plan(self, seen):
        plan = self.oracle.plan(seen)
        grasps = [*plan.grasps, *(onto(seen.rehearse.standing, h) for h in (0.0, 0.01, 0.02))]
        told = [seen.rehearse(grasp) for grasp in grasps]
        chosen = len(self.expected) % len(grasps)
        self.expected.append(told[chosen])
        plan.grasps[:] = [grasps[chosen]]
        return plan


def test_a_round_makes_the_attempt_that_was_rehearsed(pile):
    planner = Rehearsing()
    with pile.laid_out() as world:
        record = clear_scene(world, pile, planner)
    assert len(record["attempts"]) == len(planner.expected) >= 3
    for attempt, rehearsed in zip(record["attempts"], planner.expected, strict=True):
        assert attempt["fate"] == rehearsed.outcome.fate.name
        assert attempt["object"] == rehearsed.lifted
        assert attempt["lost"] == len(rehearsed.lost)


def test_a_rehearsal_changes_nothing(pile):
    with pile.laid_out() as world:
        seen = observe(world, pile, 0)
        before = poses(world)
        first = seen.rehearse(onto(seen.rehearse.standing))
        np.testing.assert_array_equal(poses(world), before)
        assert seen.rehearse(onto(seen.rehearse.standing)) == first


def test_the_oracle_offers_nothing_that_fails(pile):
    """Nothing is offered where no object holds: the hand is too weak to lift them."""
    weak = replace(PANDA, closing_force=0.01)
    with pile.laid_out() as world:
        seen = observe(world, pile, 0)
        strong = OraclePlanner().plan(seen)
        assert seen.rehearse(strong.grasps[0]).success
        assert strong.grasps[0].score == 1.0
        seen.rehearse = Rehearsal(seen.rehearse.standing, pile.objects, weak)
        assert OraclePlanner().plan(seen).grasps == []
