"""docs/robots.md works as it is printed, from the recording to the next keyframe."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from equigrasp.data.synthetic import render_primitives
from equigrasp.geometry.transforms import look_at
from equigrasp.perception.camera import Intrinsics
from equigrasp.policy.agent import KeyframeAgent
from equigrasp.policy.episodes import inspect
from equigrasp.policy.episodes.files import find_episodes
from equigrasp.policy.keyframes.clouds import cloud_of_episode, cloud_of_frame
from equigrasp.policy.record import main as record

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/robots.md").read_text(encoding="utf-8")
RECORDING, ACTING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
TINY = ["model.widths=[24,48]", "model.channels=24", "model.head_channels=12", "model.patch=16"]
TINY += ["trainer.max_steps=3", "trainer.warmup_steps=1", "trainer.batch_size=2"]
TINY += ["trainer.validate_every=3", "trainer.progress=false", "policy.samples=4"]
TINY += ["policy.steps=2", "policy.candidates=2"]


@pytest.fixture(scope="module")
def seen(robot, tmp_path_factory):
    """What the first block of the page has to be given, and a folder in which it was run twice."""
    folder = tmp_path_factory.mktemp("page")
    pose = look_at([1.1, 0.1, 0.5], [0.4, 0.0, 0.0])
    camera = Intrinsics(width=640, height=480, fx=615.0, fy=615.0, cx=320.0, cy=240.0)
    depth = render_primitives([robot.block], camera, pose, table_height=0.0)
    rgb = np.full((480, 640, 3), 90, np.uint8)
    known = {"T_world_camera": pose, "rgb": rgb, "depth": np.rint(1000 * depth).astype(np.uint16)}

    def demonstration():
        for index in range(8):
            yield rgb, known["depth"], robot.tip(index), float(index < 4)

    known["demonstration"] = demonstration
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(RECORDING, known)
        exec(RECORDING, known)
        assert record(COMMANDS[0][3:]) == 0
    return folder, known


def test_a_recording_is_converted_and_inspected_as_printed(seen, monkeypatch, capsys):
    folder, _ = seen
    monkeypatch.chdir(folder)
    assert COMMANDS[0][:3] == ["python", "-m", "equigrasp.policy.record"]
    assert COMMANDS[1][:3] == ["python", "-m", "equigrasp.policy.episodes.inspect"]
    assert inspect.main(COMMANDS[1][3:]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["take_block", "2"]
    assert (folder / "sheet.png").stat().st_size > 1000
    assert [e.keypoints for e in find_episodes("data/real")] == [[1, 2], [1, 2]]


def test_training_and_acting_work_as_printed(seen, robot, monkeypatch):
    folder, known = seen
    monkeypatch.chdir(folder)
    assert COMMANDS[3][:3] == ["python", "-m", "equigrasp.train"]
    trained = subprocess.run(
        [sys.executable, *COMMANDS[3][1:], *TINY],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin"},
    )
    assert trained.returncode == 0, trained.stderr
    torch.manual_seed(0)
    exec(ACTING, known | {"pose": robot.tip(0), "gripper_open": 1.0})
    known |= {"pose": robot.tip(0), "gripper_open": 1.0}
    exec(ACTING, known)
    assert known["target"].shape == (4, 4)
    assert isinstance(known["opened"], bool)
    agent = KeyframeAgent.load("runs/mine")
    assert agent.cameras == ("front",)
    episode = find_episodes("data/real")[0]
    stored = cloud_of_episode(episode, 0, agent.cameras, agent.settings)
    live = cloud_of_frame(known["frame"], agent.settings)
    assert len(live.xyz) > 20
    np.testing.assert_allclose(live.xyz, stored.xyz, atol=1e-5)  # sees what it was trained on
    np.testing.assert_array_equal(live.rgb, stored.rgb)
