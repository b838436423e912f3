"""Arms of studies of policies: each is a configuration that builds, and is what its name says."""

import json
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import mini_diffuser
import policy_batches
import published_policy
import two_level

from equigrasp.home import CONFIGS
from equigrasp.policy.keyframes.synthetic import SENTENCES
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.recipe import KeyframeRecipe
from equigrasp.policy.training import build_policy

OPTIONS = {
    "no_rope": {"rope": False},
    "no_local_query": {"local_query": False},
    "coupled_head": {"decoupled_head": False},
    "flow": {"schedule": "flow"},
}


def composed(arm):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        found = compose("train_policy", policy_batches.chosen(policy_batches.ARMS[arm]))
    return OmegaConf.to_container(found, resolve=False)


@pytest.mark.parametrize("arm", policy_batches.ARMS)
def test_an_arm_builds_and_differs_as_its_name_says(arm):
    config = composed(arm)
    policy = build_policy(config["model"], Vocabulary(["push"]))
    assert policy.name == ("diffuser_actor" if arm == "actor" else "mini_diffuser")
    whole = build_policy(composed("m64")["model"], Vocabulary(["push"])).options
    if arm != "actor":
        assert policy.options == {**whole, **OPTIONS.get(arm, {})}
    counted = arm.removeprefix("m").split("_")[0]
    assert config["policy"]["samples"] == (int(counted) if counted.isdigit() else 64)
    twice = 2 if arm == "m1_2b" else 1
    assert config["trainer"]["batch_size"] == twice * policy_batches.BATCH
    weights = KeyframeRecipe(["push"], **config["policy"]).step(policy, "32-true").weights
    assert set(weights) == set(policy.loss_weights)


def test_the_study_of_parts_knows_all_of_them():
    assert mini_diffuser.WITHOUT == OPTIONS
    assert set(mini_diffuser.ARMS) <= set(policy_batches.ARMS)
    assert mini_diffuser.parser().parse_args([]).arms == list(mini_diffuser.ARMS)
    assert policy_batches.parser().parse_args([]).arms == ["m64", "m1", "m1_2b"]


def test_success_is_told_with_its_interval_and_read_again_from_the_record(tmp_path, monkeypatch):
    def fake(command):
        assert command[command.index("--policy") + 1] == str(tmp_path / "m64")
        assert command[command.index("--episodes") + 1] == "10"
        out = Path(command[command.index("--out") + 1])
        out.mkdir(parents=True)
        summary = {"mean_success": 40.0, "interval": [30.5, 50.25]}
        (out / "summary.json").write_text(json.dumps(summary))

    monkeypatch.setattr(policy_batches, "call", fake)
    (tmp_path / "m64").mkdir()
    (tmp_path / "m64" / "model.json").write_text('{"step": 150}')
    records = [{"kind": "train", "step": 100 * i, "minutes": i} for i in (1, 2)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "m64" / "metrics.jsonl").write_text(lines)
    asked = policy_batches.parser().parse_args(
        ["--success", "10", "--out", str(tmp_path), "--record", "--marks"]
    )
    asked.result = tmp_path / "study.json"
    points = policy_batches.success_curve(tmp_path / "m64", asked)
    success = {"success": 40.0, "success_low": 30.5, "success_high": 50.25}
    assert points == [{"step": 150, **success, "minutes": 1, "episodes": 10}]
    validation = [{"step": 150, "minutes": 1.0}]
    record = {"validation": {"m64": validation}, "success": {"m64": points}}
    (tmp_path / "study_curves.json").write_text(json.dumps(record))
    assert policy_batches.recorded_success("m64", validation, asked) == points
    assert policy_batches.recorded_success("m64", [{**validation[0], "step": 200}], asked) is None
    asked.marks = [50]
    assert policy_batches.recorded_success("m64", validation, asked) is None
    asked.marks, asked.success = [], 5
    assert policy_batches.recorded_success("m64", validation, asked) is None


def test_a_step_of_a_study_moves_a_policy():
    model = MiniDiffuser(
        Vocabulary.of(SENTENCES), widths=(12, 12), channels=24, head_channels=12, patch=8
    )
    seen, wanted = two_level.policy_batch(2, 32)
    assert (len(seen.xyz), len(wanted.position)) == (2, 2)
    before = model.in_projection.weight.clone()
    two_level.policy_step(model, 4, seen, wanted)()
    assert (model.in_projection.weight - before).abs().max() > 0
    assert two_level.held_bytes(model) == 16 * sum(p.numel() for p in model.parameters())


def test_costs_of_the_published_size_are_told_by_m(monkeypatch):
    monkeypatch.setattr(published_policy, "POINTS", 32)
    monkeypatch.setattr(
        published_policy,
        "published_policy",
        lambda: MiniDiffuser(
            Vocabulary.of(SENTENCES), widths=(12, 12), channels=24, head_channels=12, patch=8
        ),
    )
    numbers = published_policy.published_steps((1, 8), 2)
    names = {name.removeprefix("published_mini_diffuser_") for name in numbers}
    assert names == {"parameters", "m1_seconds", "m1_mib", "m8_seconds", "m8_mib"}
    assert min(numbers.values()) > 0


def test_a_page_tells_what_is_on_record():
    costs = dict.fromkeys(("seconds", "mib", "time_ratio", "memory_ratio"), 1.5)
    numbers = {f"whole_m1_{name}": value for name, value in costs.items()}
    numbers |= {"published_m64_seconds": 2.0, "draws_scenes": 3.0, "draws_right_answers": 2.5}
    numbers |= {"draws_at_a_right_answer": 0.875, "draws_coverage_n1": 0.25}
    numbers |= {"draws_coverage_of_chance_n1": 0.4}
    page = mini_diffuser.report(numbers)
    assert "| whole_m1 | 1.5 | 1.5 | 1.5 | 1.5 |" in page
    assert "| published_m64 | 2 | - | - | - |" in page
    assert "87.5 %" in page
    assert "| drawn | 0.25 |" in page
