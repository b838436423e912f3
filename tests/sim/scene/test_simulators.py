"""The same promises of every simulator: free fall, Coulomb's law, poses, equal futures, hands."""

from sim.testing.free_hand_contract import FreeHandContract
from sim.testing.simulator_contract import SimulatorContract


class TestPybullet(SimulatorContract):
    simulator = "pybullet"


class TestPybulletHand(FreeHandContract):
    simulator = "pybullet"


class TestMujoco(SimulatorContract):
    simulator = "mujoco"


class TestMujocoHand(FreeHandContract):
    simulator = "mujoco"
