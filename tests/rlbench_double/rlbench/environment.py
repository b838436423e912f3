"""Double of `rlbench.environment`."""

from rlbench.action_modes.action_mode import ActionMode
from rlbench.double import SCRIPT, Scene
from rlbench.observation_config import ObservationConfig
from rlbench.task_environment import TaskEnvironment


class Environment:
    def __init__(
        self,
        action_mode,
        dataset_root="",
        obs_config=None,
        headless=False,
        static_positions=False,
        robot_setup="panda",
    ):
        assert isinstance(action_mode, ActionMode)
        assert isinstance(obs_config, ObservationConfig)
        self._action_mode, self._obs_config, self._headless = action_mode, obs_config, headless
        self._scene = None
        SCRIPT.calls.append(("Environment", {"headless": headless, "obs_config": obs_config}))

    def launch(self):
        if self._scene is not None:
            raise RuntimeError("Already called launch!")
        SCRIPT.calls.append(("launch", None))
        self._scene = Scene(self._obs_config)

    def shutdown(self):
        SCRIPT.calls.append(("shutdown", None))
        self._scene = None

    def get_task(self, task_class):
        SCRIPT.calls.append(("get_task", task_class.__name__))
        return TaskEnvironment(self._scene, task_class(), self._action_mode)
