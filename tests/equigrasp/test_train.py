"""The command line: a killed and restarted run, the exported model, errors in one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import equigrasp
from equigrasp.data.items import SampleSettings
from equigrasp.data.manifest import Manifest
from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.hand import PANDA
from equigrasp.train import build_model, train_from_config
from equigrasp.training.checkpoint import load_checkpoint
from equigrasp.training.run_log import read_records
from equigrasp.training.settings import TrainSettings

_CONFIGS = Path(equigrasp.__file__).parents[1] / "configs"
_TINY = [
    "trainer=quick",
    *("model.resolution=16", "model.fields=2", "model.depth=2"),
    *("model.head_fields=4", "model.head_blocks=1"),
    *("data.sample.queries=24", "data.sample.occupancy_points=48", "data.validation_queries=24"),
    *("trainer.max_steps=40", "trainer.batch_size=2", "trainer.threads=1"),
    *("trainer.validate_every=20", "trainer.checkpoint_every=4", "trainer.log_every=1"),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data") / "made_up"
    write_synthetic_data_set(directory, 8, seed=2, grasps=40, occupancy_points=500)
    return directory


def _overrides(data_dir, run_dir):
    return [*_TINY, "name=tiny", f"data.dirs=[{data_dir}]", f"run_dir={run_dir}"]


def _config(*overrides):
    with initialize_config_dir(str(_CONFIGS), version_base="1.3"):
        return OmegaConf.to_container(compose("train", list(overrides)), resolve=False)


def _composed(data_dir, run_dir, *more):
    with initialize_config_dir(str(_CONFIGS), version_base="1.3"):
        config = compose("train", [*_overrides(data_dir, run_dir), *more])
        return OmegaConf.to_container(config, resolve=True)


def _start(data_dir, run_dir, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "equigrasp.train", *_overrides(data_dir, run_dir), *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=run_dir.parent,
    )


def _numbers(run_dir):
    kept = ("step", "kind", "loss", "grad_norm", "average_precision", "rotation_error_deg")
    records = read_records(run_dir / "metrics.jsonl")
    return [{name: record.get(name) for name in kept} for record in records]


@pytest.mark.timeout(1800)  # three runs of training, two of them in processes of their own
def test_killed_and_restarted_equals_uninterrupted(data_dir, tmp_path):
    before = torch.get_num_threads()
    train_from_config(_composed(data_dir, tmp_path / "whole"))
    torch.set_num_threads(before)

    killed = _start(data_dir, tmp_path / "parts")
    try:
        while len(read_records(tmp_path / "parts" / "metrics.jsonl", "train")) < 10:
            assert killed.poll() is None, killed.communicate()[0]
            time.sleep(0.02)
        os.kill(killed.pid, signal.SIGKILL)
    finally:
        killed.kill()
        killed.communicate()
    reached = read_records(tmp_path / "parts" / "metrics.jsonl")[-1]["step"]
    assert 10 <= reached < 40

    resumed = _start(data_dir, tmp_path / "parts")
    output, _ = resumed.communicate()
    assert resumed.returncode == 0, output
    assert _numbers(tmp_path / "parts") == _numbers(tmp_path / "whole")
    assert len(_numbers(tmp_path / "whole")) == 42
    weights = [
        load_checkpoint(tmp_path / name / "checkpoints" / "last").average
        for name in ("whole", "parts")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_export_is_the_best_average_with_its_card(data_dir, tmp_path):
    before = torch.get_num_threads()
    config = _composed(data_dir, tmp_path / "run", "trainer.max_steps=6", "trainer.warmup_steps=2")
    result = train_from_config(config)
    torch.set_num_threads(before)
    model = equigrasp.load_model(tmp_path / "run", frozen=False)
    best = load_checkpoint(tmp_path / "run" / "checkpoints" / "best").average
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, best[name]), name
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    assert card["config"]["fields"] == 2
    assert card["config"]["hand"] == PANDA.to_dict()
    assert card["step"] == result.best_step
    assert card["data"][0]["name"] == "made_up"
    assert card["trained_on"] == {"splits": [], "object_ids": [], "untold": ["made_up"]}
    assert card["train_scenes"] + card["validation_scenes"] == 8
    assert card["draws"]["noise"] == {"gamma": 0.6, "camera": 0.4}
    assert card["seed"] == 0
    measured = card["validation"]
    assert 0 <= measured["average_precision"] <= 1
    # The default model is exact, and the report says so.
    assert measured["equivariance_quality"] < 1e-4
    assert measured["equivariance_rotation"] < 1e-3


def test_training_goes_on_from_a_saved_model(data_dir, tmp_path):
    before = torch.get_num_threads()
    short = ("trainer.max_steps=4", "trainer.warmup_steps=2")
    train_from_config(_composed(data_dir, tmp_path / "first", *short))
    saved = load_checkpoint(tmp_path / "first" / "checkpoints" / "best").average
    # No step changes the weights at a rate of zero, so what is left is what it started from.
    config = _composed(data_dir, tmp_path / "second", *short, f"init={tmp_path / 'first'}")
    config["trainer"] |= {"learning_rate": 1e-30}
    train_from_config(config)
    torch.set_num_threads(before)
    last = load_checkpoint(tmp_path / "second" / "checkpoints" / "last").model
    for name, tensor in saved.items():
        torch.testing.assert_close(last[name], tensor, rtol=1e-6, atol=1e-7)
    card = json.loads((tmp_path / "second" / "model.json").read_text())
    assert card["init"] == str(tmp_path / "first")
    assert card["trained_on"]["untold"] == ["made_up"]
    change = (f"init={tmp_path / 'first'}", "model.fields=4")
    other = _composed(data_dir, tmp_path / "third", *change)
    with pytest.raises(ValueError, match="'fields': 4"):
        train_from_config(other)


def test_two_processes_train_together(data_dir, tmp_path):
    options = ("trainer.devices=2", "trainer.max_steps=4", "trainer.warmup_steps=2")
    process = _start(data_dir, tmp_path / "run", *options)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    losses = [r["loss"] for r in read_records(tmp_path / "run" / "metrics.jsonl", "train")]
    assert len(losses) == 4
    last = load_checkpoint(tmp_path / "run" / "checkpoints" / "last")
    assert last.random["torch.cpu"].shape[0] == 2
    assert last.state["identity"]["processes"] == 2
    assert output.count("exported step 4") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.dirs=[nowhere]", "data set nowhere does not exist"),
        ("data.sample.noise=salt", "none, gaussian, gamma"),
        ("data.sample.noise.camera=1", "add up to 1"),
        ("trainer.batch_size=100", "trainer.batch_size"),
    ],
)
def test_errors_name_the_fault(data_dir, tmp_path, change, message):
    with pytest.raises((RuntimeError, ValueError), match=message):
        train_from_config(_composed(data_dir, tmp_path / "run", change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hand": replace(PANDA, name="wide", opening=0.1).to_dict()}, "'panda'.*'wide'.*opening"),
        ({"workspace": {"side": 0.4}}, "0.3 m wide.* 0.4 m wide"),
    ],
)
def test_data_for_another_hand_or_workspace_are_refused(data_dir, tmp_path, change, message):
    other = shutil.copytree(data_dir, tmp_path / "other")
    Manifest("pile", 2, 8, {}, "geometry", {}, ["box", "sphere"], **change).write(other)
    with pytest.raises(ValueError, match=f"the model .*{message}"):
        train_from_config(_composed(other, tmp_path / "run"))


def test_the_hand_of_the_configuration_is_the_models(data_dir, tmp_path):
    config = _composed(data_dir, tmp_path / "run", "hand.name=wide", "hand.opening=0.1")
    wide = replace(PANDA, name="wide", opening=0.1)
    assert build_model(config["model"]).hand == wide
    with pytest.raises(ValueError, match=r"the model is for the hand 'wide'.*made_up for 'panda'"):
        train_from_config(config)


def test_a_hand_of_ones_own_is_found_below_a_folder_of_configurations(tmp_path):
    (tmp_path / "hand").mkdir()
    text = (_CONFIGS / "hand" / "panda.yaml").read_text()
    (tmp_path / "hand" / "mine.yaml").write_text(text.replace("name: panda", "name: mine"))
    command = ["--config-dir", str(tmp_path), "hand=mine", "--cfg", "job"]
    shown = subprocess.run(
        [sys.executable, "-m", "equigrasp.train", *command], capture_output=True, check=True
    )
    assert b"  name: mine" in shown.stdout


def test_the_command_line_turns_an_error_into_one_line(tmp_path):
    process = _start("nowhere", tmp_path / "run")
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "error: data set nowhere does not exist" in output
    assert "Traceback" not in output


def test_foreign_targets_are_refused(data_dir, tmp_path):
    config = _composed(data_dir, tmp_path / "run")
    config["loss"] = {"_target_": "os.system", "command": "true"}
    with pytest.raises(ValueError, match=r"os\.system"):
        train_from_config(config)


@pytest.mark.parametrize("data", ["pile", "packed", "both"])
@pytest.mark.parametrize("trainer", ["laptop", "gpu", "quick"])
@pytest.mark.parametrize("experiment", [(), ("experiment=one_core",)])
def test_every_group_composes(data, trainer, experiment):
    config = _config(f"data={data}", f"trainer={trainer}", *experiment)
    assert config["data"]["name"] == data
    assert config["model"]["_target_"].startswith("equigrasp.")
    TrainSettings(seed=config["seed"], **config["trainer"])
    SampleSettings(**config["data"]["sample"])
