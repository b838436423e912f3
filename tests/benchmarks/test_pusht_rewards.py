"""What fine-tuning brings on PushT is played once for every policy, and again for another."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import pusht_rewards

import equigrasp
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy

for package in ("gym_pusht", "numcodecs"):
    pytest.importorskip(package)


def test_a_policy_is_played_once_and_another_anew(tmp_path, monkeypatch):
    counted = []
    play = pusht_rewards.play_policy

    def counting(policy, seeds, *, steps):
        counted.append((len(seeds), steps))
        return play(policy, seeds, steps=steps)

    monkeypatch.setattr(pusht_rewards, "play_policy", counting)
    options = {"denoiser": "mlp", "channels": 16, "hidden": 16, "layers": 1}
    equigrasp.save_model(DiffusionPolicy(**options), tmp_path / "model")
    found = pusht_rewards.played(tmp_path, 2)
    assert set(found) == {"score", "success"}
    assert 0 <= found["success"] <= found["score"] <= 100
    assert pusht_rewards.played(tmp_path, 2) == found
    assert counted == [(2, 5)]
    pusht_rewards.played(tmp_path, 1)  # other scenes
    equigrasp.save_model(DiffusionPolicy(**options), tmp_path / "model")  # other weights
    pusht_rewards.played(tmp_path, 1)
    assert [count for count, _ in counted] == [2, 1, 1]
