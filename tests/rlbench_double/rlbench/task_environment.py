"""Double of `rlbench.task_environment`."""

from rlbench.backend.exceptions import TaskEnvironmentError
from rlbench.backend.observation import observe
from rlbench.demo import Demo
from rlbench.double import SCRIPT


class TaskEnvironment:
    def __init__(self, scene, task, action_mode):
        self._scene, self._task, self._action_mode = scene, task, action_mode
        self._variation_number = 0
        self._reset_called = False

    def get_name(self):
        return self._task.get_name()

    def variation_count(self):
        return self._task.variation_count()

    def set_variation(self, v):
        SCRIPT.calls.append(("set_variation", v))
        if v >= self.variation_count():
            raise TaskEnvironmentError(f"variation {v} of {self.variation_count()}")
        self._variation_number = v

    def reset(self, demo=None):
        attempts = getattr(demo, "num_reset_attempts", None)
        SCRIPT.calls.append(("reset", attempts))
        for _ in range(attempts or 1):
            self._scene.place()
        self._scene.variation = self._variation_number
        self._reset_called = True
        return self._task.init_episode(self._variation_number), observe(self._scene)

    def reset_to_demo(self, demo):
        assert isinstance(demo, Demo)
        demo.restore_state()
        self.set_variation(demo._observations[0].misc["variation_index"])
        return self.reset(demo)

    def get_observation(self):
        return observe(self._scene)

    def step(self, action):
        if not self._reset_called:
            raise RuntimeError("Call 'reset' before calling 'step' on a task.")
        SCRIPT.calls.append(("step", action.copy()))
        self._action_mode.action(self._scene, action)
        return observe(self._scene), float(self._scene.success()), SCRIPT.hopeless
