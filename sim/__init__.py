"""PyBullet simulation: worlds, scenes, the gripper, grasp trials and clutter removal."""
