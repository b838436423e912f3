"""Hands for worlds: each simulator has its own."""

from __future__ import annotations

from equigrasp.hand import PANDA, Hand
from sim.grasping.free_hand import FreeHand
from sim.scene.simulator import Simulator


def free_hand(world: Simulator, hand: Hand = PANDA) -> FreeHand:
    """A hand for a world, not loaded yet.

    Raises:
        ValueError: if what describes the hand's shapes cannot be read.
    """
    if world.simulator == "mujoco":
        from sim.grasping.mujoco_gripper import MujocoGripper

        return MujocoGripper(world, hand)
    from sim.grasping.gripper import Gripper

    return Gripper(world, hand)
