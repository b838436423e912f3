"""Simulation in PyBullet or MuJoCo: worlds, scenes, hands, grasp trials and clutter removal."""

from equigrasp.optional import require_extra

require_extra("sim", "simulation", but=("pybullet", "mujoco", "mcubes", "skimage"))
