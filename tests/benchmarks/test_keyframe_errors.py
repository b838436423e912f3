"""Errors are counted by task and by the number of the keyframe in its episode."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from keyframe_errors import dataset, errors, keyframe_rows, table, untrained

from equigrasp.policy.episodes.synthetic import write_synthetic_demonstrations


def test_every_keyframe_of_a_task_has_a_row():
    found = {
        "position": torch.tensor([0.005, 0.031, 0.001, 0.029]),
        "angle": torch.tensor([1.0, 3.0, 8.0, 2.0]),
        "gripper": torch.tensor([True, False, True, True]),
        "task": torch.tensor([0, 0, 0, 1]),
        "step": torch.tensor([0, 0, 2, 0]),
    }
    rows = keyframe_rows(found, ["a", "b"])
    assert list(rows) == [("a", 1), ("a", 3), ("b", 1)]
    assert rows["a", 1]["far"] == 50
    assert rows["a", 1]["degrees"] == 2
    assert rows["a", 1]["gripper"] == 50
    assert rows["a", 3]["median_mm"] == pytest.approx(1.0)
    assert rows["b", 1]["far"] == 0
    assert "| a | 1 | 2 | 50 | 5.0 | 2.0 | 50 |" in table(rows)


def test_keyframes_are_numbered_in_their_episodes(tmp_path):
    write_synthetic_demonstrations(tmp_path, 3, cameras=["front"])
    policy = untrained()
    for side, episodes in (("val", 1), ("train", 2)):
        data = dataset(policy, tmp_path, ["open"], side, None)
        found, tasks = errors(policy, data)
        assert tasks == ["open"]
        assert found["step"].tolist() == [0, 1] * episodes
        assert (found["position"] > 0).all()
