"""Lift and shake: the poses that the hand goes through, and what it still holds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.hand import PANDA
from sim.clutter.planners.oracle import OraclePlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, observe
from sim.clutter.scene_lists import build_round
from sim.clutter.shake import STROKE, TILT, holds_when_shaken, shaking

SETTINGS = EvalSettings(
    scene="packed", objects="random_urdfs", noise="none", num_objects=2, trial="lift_and_shake"
)


def pose(seed):
    T = np.eye(4)
    T[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    T[:3, 3] = 0.15, 0.12, 0.2
    return T


@pytest.mark.parametrize("seed", range(5))
def test_the_hand_points_down_rises_twice_and_tilts_to_both_sides(seed):
    poses = list(shaking(pose(seed)))
    assert len(poses) == 7
    heights = [T[2, 3] - 0.2 for T in poses]
    np.testing.assert_allclose(heights, [0, STROKE, 0, STROKE, 0, 0, 0], atol=1e-12)
    down = [np.arccos(np.clip(-T[2, 2], -1, 1)) for T in poses]
    np.testing.assert_allclose(down, [0] * 5 + [TILT] * 2, atol=1e-6)
    np.testing.assert_allclose(poses[5][2, 0], -poses[6][2, 0])
    for T in poses:
        np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_hand_is_shaken_the_same_way(quarters):
    G = np.eye(4)
    G[:3, :3] = np.round(Rotation.from_euler("z", quarters * np.pi / 2).as_matrix())
    for turned, straight in zip(shaking(G @ pose(3)), shaking(pose(3)), strict=True):
        np.testing.assert_allclose(turned, G @ straight, atol=1e-12)


def test_a_hand_that_points_up_turns_over():
    T = np.eye(4)
    assert next(iter(shaking(T)))[2, 2] == pytest.approx(-1.0)


@pytest.fixture(scope="module")
def played():
    from sim.scene.builders import Scene

    text = build_round("packed", "random_urdfs", "test", 2, 0, 0)
    return Round(SETTINGS, Scene.from_json(text), 0, 0)


def test_what_stands_the_shake_stands_the_lift(played):
    with played.laid_out() as world:
        seen = observe(world, played, 0)
        grasp = OraclePlanner().plan(seen).grasps[0]
        assert seen.rehearse(grasp).success
        assert replace(seen.rehearse, trial="lift")(grasp).success


def test_a_hand_that_lets_go_holds_nothing(played):
    """Shaken with the fingers opened in between, and with fingers that do not grip."""
    from sim.grasping.gripper import Gripper
    from sim.grasping.trial import execute_grasp, pregrasp, retreat_offset

    with played.laid_out() as world:
        seen = observe(world, played, 0)
        grasp = OraclePlanner().plan(seen).grasps[0]
        seen.rehearse.standing.build(world, played.objects)
        gripper = Gripper(world, PANDA)
        T = np.array(grasp.T_world_grasp)
        gripper.load(pregrasp(T))
        outcome = execute_grasp(world, gripper, T, allow_contact=True)
        T[:3, 3] += retreat_offset(T)
        gripper.command_width(PANDA.opening)
        assert not holds_when_shaken(world, gripper, T, outcome.body)


def test_fingers_that_slide_lift_nothing(played):
    with played.laid_out() as world:
        grasp = OraclePlanner().plan(observe(world, played, 0)).grasps[0]
    slippery = replace(played, settings=replace(SETTINGS, finger_friction=0.001, trial="lift"))
    with slippery.laid_out() as world:
        assert slippery.rehearsal(world).hand.friction == 0.001
        assert not slippery.rehearsal(world)(grasp).success
