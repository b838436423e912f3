"""Double of `rlbench.observation_config`."""

from rlbench.backend.observation import CAMERAS


class CameraConfig:
    def __init__(
        self,
        rgb=True,
        rgb_noise=None,
        depth=True,
        depth_noise=None,
        point_cloud=True,
        mask=True,
        image_size=(128, 128),
        render_mode="OPENGL3",
        masks_as_one_channel=True,
        depth_in_meters=False,
    ):
        vars(self).update({name: value for name, value in locals().items() if name != "self"})


class ObservationConfig:
    def __init__(
        self,
        left_shoulder_camera=None,
        right_shoulder_camera=None,
        overhead_camera=None,
        wrist_camera=None,
        front_camera=None,
        joint_velocities=True,
        joint_velocities_noise=None,
        joint_positions=True,
        joint_positions_noise=None,
        joint_forces=True,
        joint_forces_noise=None,
        gripper_open=True,
        gripper_pose=True,
        gripper_matrix=False,
        gripper_joint_positions=False,
        gripper_touch_forces=False,
        wrist_camera_matrix=False,
        record_gripper_closing=False,
        task_low_dim_state=False,
    ):
        vars(self).update({name: value for name, value in locals().items() if name != "self"})
        for name in CAMERAS:
            if getattr(self, f"{name}_camera") is None:
                setattr(self, f"{name}_camera", CameraConfig())
