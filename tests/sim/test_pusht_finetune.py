"""Fine-tuning in the environment: it resumes exactly, and what it leaves is played."""

import json

import pytest
import torch

import equigrasp
from equigrasp.policy.chunk_saved import load_chunk_policy
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.chunks.fine_tuning import Tuner, TuningSettings
from sim.pusht.fine_tuning import play, scene_seeds
from sim.pusht_finetune import main

pytest.importorskip("gym_pusht")
TINY = {"denoiser": "mlp", "channels": 16, "hidden": 16, "layers": 1}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("policy")
    equigrasp.save_model(DiffusionPolicy(**TINY), folder / "model", {"train_episodes": 30})
    return folder


def command(saved, out, iterations):
    small = ["--environments", "1", "--epochs", "1", "--chain-steps", "2"]
    return ["--policy", str(saved), "--out", str(out), "--iterations", str(iterations), *small]


def test_an_interrupted_run_goes_on_with_the_same_numbers(saved, tmp_path, capsys):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert main(command(saved, whole, 2)) == 0
    assert "iteration 2  score" in capsys.readouterr().out
    assert main(command(saved, halves, 1)) == 0
    assert main(command(saved, halves, 2)) == 0
    both = [load_chunk_policy(folder).state_dict() for folder in (whole, halves)]
    first = load_chunk_policy(saved).state_dict()
    for name, tensor in both[0].items():
        assert torch.equal(tensor, both[1][name]), name
    assert any(not torch.equal(tensor, first[name]) for name, tensor in both[0].items())
    card = load_chunk_policy(whole).card
    assert (card["iterations"], card["train_episodes"]) == (2, 30)
    told = [json.loads((f / "iterations.json").read_text()) for f in (whole, halves)]
    assert [row["score"] for row in told[0]] == [row["score"] for row in told[1]]
    written = (halves / "model.json").stat().st_mtime_ns
    assert main(command(saved, halves, 2)) == 0
    assert "holds 2 iterations already" in capsys.readouterr().out
    assert (halves / "model.json").stat().st_mtime_ns == written
    assert main([*command(saved, halves, 2), "--clip", "0.2"]) == 1
    assert "other settings (clip)" in capsys.readouterr().err


def test_chunks_earn_what_the_score_rises_by():
    torch.manual_seed(0)
    tuner = Tuner(DiffusionPolicy(**TINY), TuningSettings(discount=1.0, smoothing=1.0))
    decisions, episodes = play(tuner, [5, 6], torch.Generator().manual_seed(0))
    counts = [-(-len(episode.coverage) // 8) for episode in episodes]
    assert len(decisions.value) == sum(counts)
    for start, episode in zip((0, counts[0]), episodes, strict=True):
        assert float(decisions.returned[start]) == pytest.approx(episode.score, abs=1e-4)
    assert decisions.states.shape[1:] == (1, 6, 16, 2)


def test_scenes_are_never_those_of_an_evaluation():
    assert scene_seeds(0, 1, 5) != scene_seeds(0, 2, 5)
    assert min(scene_seeds(0, 1, 200)) >= 200_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--iterations", "0"], "at least 1"),
        (["--policy", "absent"], "no model at"),
        (["--chain-steps", "3"], "a divisor of the schedule's 100"),
        (["--discount", "2"], "discount is 2.0"),
    ],
)
def test_impossible_requests_are_named(saved, tmp_path, change, message, capsys):
    assert main([*command(saved, tmp_path, 1), *change]) == 1
    assert message in capsys.readouterr().err
