"""Fine-tuning grasps: rows cost the same loss as the two-level batch; seeds become a table."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import grasp_rewards
import grasp_tuning
from shared.tuning_tables import both_ways

from equigrasp.models.equiigd import EquiIGD
from equigrasp.training.trial_tuning import TrialSettings, TrialTuner

SMALL = {"resolution": 8, "fields": 2, "depth": 1, "hidden_fields": 4, "head_blocks": 1}
SMALL |= {"flow_fields": 4, "flow_blocks": 1}


def test_all_rows_of_an_update_cost_what_the_two_level_batch_does():
    torch.manual_seed(0)
    tuner = TrialTuner(EquiIGD(**SMALL), TrialSettings(points=2, samples=3, chain_steps=4))
    batch = grasp_tuning.made_up(tuner, 2)
    drawn = tuner.draw(batch, torch.Generator().manual_seed(0))
    gained = tuner.gains(torch.rand(2, 2, 3) < 0.5)
    with torch.no_grad():
        for parameter in tuner.model.velocity.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    rows = torch.randperm(gained.numel())
    ways = (
        partial(grasp_tuning.two_level, tuner, batch["tsdf"], drawn, gained),
        partial(grasp_tuning.row_wise, tuner, batch["tsdf"], drawn, gained, rows),
    )
    losses = [way() for way in ways]
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
    assert losses[0].detach().abs() > 1e-4
    named = dict(zip(("two_level", "rows"), ways, strict=True))
    found = both_ways(tuner.model.encoder, named, 1, lambda planes: len(planes[0]), {})
    assert (found["two_level_encoded"], found["rows_encoded"]) == (2, 48)
    assert found["times_fewer_encoded"] == 24


def test_a_seed_is_tuned_calibrated_and_cleared_before_and_after(tmp_path, monkeypatch, capsys):
    """With programs that only say what they were asked for."""
    calls = []

    def fine_tune(arguments):
        out = Path(arguments[arguments.index("--out") + 1])
        out.mkdir(parents=True)
        shares = dict.fromkeys(grasp_rewards.SHARES, 20.0)
        better = {name: 30.0 + int(out.name[-1]) for name in grasp_rewards.SHARES}
        (out / "lifted.json").write_text(json.dumps({"before": shares, "after": better}))
        calls.append("tune")
        return 0

    class Ended:
        returncode = 0

    def run(command, check):
        calls.append(command[2])
        if command[2] == "sim.clutter_eval":
            out = Path(command[command.index("--out") + 1])
            (out / "rectified").mkdir(parents=True, exist_ok=True)
            rate = {"mean": 70.0 if out.parent == tmp_path / "out" else 75.0}
            (out / "rectified" / "summary.json").write_text(json.dumps({"gsr": rate, "dr": rate}))
        return Ended()

    monkeypatch.setattr(grasp_rewards, "fine_tune", fine_tune)
    monkeypatch.setattr(grasp_rewards.subprocess, "run", run)
    (tmp_path / "manifest.json").write_text('{"kind": "pile"}')
    given = ["--data", str(tmp_path), "--held", str(tmp_path), "--seeds", "2", "--rounds", "3"]
    given += ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr(sys, "argv", ["grasp_rewards.py", *given])
    grasp_rewards.main()
    assert calls[:4] == ["tune", "sim.clutter_eval", "sim.calibrate", "sim.clutter_eval"]
    assert len(calls) == 8
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["rotations_before_mean"], found["rotations_after_mean"]) == (20.0, 30.5)
    assert (found["gsr_before_seed1"], found["gsr_after_seed1"]) == (70.0, 75.0)
    assert "3 rounds of default" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["grasp_rewards.py"])
    with pytest.raises(SystemExit, match="give --data and --held"):
        grasp_rewards.main()
