"""PyBullet simulation: worlds, scenes, the gripper, grasp trials and clutter removal."""

from equigrasp.optional import require_extra

require_extra("sim", "simulation", but=("pybullet",))  # workers ask for that one
