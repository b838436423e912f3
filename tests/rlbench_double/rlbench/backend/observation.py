"""Double of `rlbench.backend.observation`, and the pictures that the double's cameras take."""

import numpy as np

from rlbench.double import BLOCK, HANDLES, TABLE

CAMERAS = ("left_shoulder", "right_shoulder", "overhead", "wrist", "front")
KINDS = ("rgb", "depth", "mask", "point_cloud")
STATE = ("joint_velocities", "joint_positions", "joint_forces", "gripper_open", "gripper_pose")
STATE += ("gripper_matrix", "gripper_joint_positions", "gripper_touch_forces", "task_low_dim_state")
EYES = {
    "left_shoulder": (-0.2, 0.7, 1.6),
    "right_shoulder": (-0.2, -0.7, 1.6),
    "overhead": (0.1, 0.0, 2.2),
    "wrist": (0.2, 0.0, 1.4),
    "front": (1.2, 0.0, 1.5),
}
NEAR, FAR, ANGLE = 0.01, 4.5, np.radians(60)


class Observation:
    def __init__(self, misc, **values):
        expected = {f"{camera}_{kind}" for camera in CAMERAS for kind in KINDS} | set(STATE)
        assert set(values) == expected, set(values) ^ expected
        vars(self).update(values, misc=misc)


def observe(scene):
    """What RLBench would return: only what the config asks for, the rest None."""
    config, robot = scene.obs_config, scene.robot
    matrix = np.eye(4)
    matrix[:3, 3] = robot.tip[:3]
    known = {
        "joint_velocities": np.zeros(7),
        "joint_positions": np.arange(7.0),
        "joint_forces": np.zeros(7),
        "gripper_open": float(robot.gripper_open),
        "gripper_pose": robot.tip.copy(),
        "gripper_matrix": matrix,
        "gripper_joint_positions": np.full(2, 0.04 * robot.gripper_open),
        "gripper_touch_forces": np.zeros(6),
        "task_low_dim_state": scene.patch.copy(),
    }
    values = {name: known[name] if getattr(config, name) else None for name in STATE}
    misc = {"variation_index": scene.variation, "joint_poses": [np.zeros(7)] * 7}
    for name in CAMERAS:
        camera = getattr(config, f"{name}_camera")
        used = camera.rgb or camera.depth or camera.point_cloud
        pictures = dict.fromkeys(KINDS)
        if used:
            width, height = camera.image_size
            focal = -np.array([width, height]) / (2 * np.tan(ANGLE / 2))
            intrinsics = np.array([[focal[0], 0, width / 2], [0, focal[1], height / 2], [0, 0, 1]])
            extrinsics = looking_down(EYES[name])
            rgb, depth, colours = photograph(scene.patch, extrinsics, intrinsics, height, width)
            if not camera.depth_in_meters:
                depth = (depth - NEAR) / (FAR - NEAR)
            mask = (255 * colours) @ [1, 256, 65536] if camera.masks_as_one_channel else colours
            taken = {"rgb": rgb, "depth": depth.astype(np.float32), "mask": mask}
            pictures |= {kind: taken[kind] for kind in taken if getattr(camera, kind)}
            misc |= {
                f"{name}_camera_extrinsics": extrinsics,
                f"{name}_camera_intrinsics": intrinsics,
                f"{name}_camera_near": NEAR,
                f"{name}_camera_far": FAR,
            }
        values |= {f"{name}_{kind}": picture for kind, picture in pictures.items()}
    return Observation(misc, **values)


def looking_down(eye):
    """(4, 4) camera to world: x to the left, y up, z towards the middle of the table."""
    forward = np.array([0.25, 0.0, TABLE]) - eye
    forward /= np.linalg.norm(forward)
    left = np.cross([0, 0, 1], forward)
    left /= np.linalg.norm(left)
    pose = np.eye(4)
    pose[:3] = np.column_stack([left, np.cross(forward, left), forward, eye])
    return pose


def photograph(patch, pose, intrinsics, height, width):
    """Where the ray of every pixel meets the table, and whether that is on the patch."""
    rgb = np.zeros((height, width, 3), np.uint8)
    depth = np.full((height, width), FAR)
    colours = np.zeros((height, width, 3), np.float32)
    for row in range(height):
        for column in range(width):
            x = (column - intrinsics[0, 2]) / intrinsics[0, 0]
            y = (row - intrinsics[1, 2]) / intrinsics[1, 1]
            ray = pose[:3, 0] * x + pose[:3, 1] * y + pose[:3, 2]
            if ray[2] * FAR > TABLE - pose[2, 3]:  # above the horizon, or beyond the far plane
                continue
            depth[row, column] = (TABLE - pose[2, 3]) / ray[2]
            place = pose[:2, 3] + depth[row, column] * ray[:2]
            red = (np.abs(place - patch) < BLOCK).all()
            rgb[row, column] = (255, 0, 0) if red else (128, 128, 128)
            handle = HANDLES["patch" if red else "table"]
            colours[row, column] = [(handle >> shift & 255) / 255 for shift in (0, 8, 16)]
    return rgb, depth, colours
