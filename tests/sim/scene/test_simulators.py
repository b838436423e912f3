"""The same promises of every simulator: free fall, Coulomb's law, poses, equal futures, hands."""

from importlib.util import find_spec

import pytest

from sim.testing.free_hand_contract import FreeHandContract
from sim.testing.simulator_contract import SimulatorContract

needs_mujoco = pytest.mark.skipif(find_spec("mujoco") is None, reason="MuJoCo is not installed")


class TestPybullet(SimulatorContract):
    simulator = "pybullet"


class TestPybulletHand(FreeHandContract):
    simulator = "pybullet"


@needs_mujoco
class TestMujoco(SimulatorContract):
    simulator = "mujoco"


@needs_mujoco
class TestMujocoHand(FreeHandContract):
    simulator = "mujoco"
