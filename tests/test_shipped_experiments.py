"""Every shipped weight has a configuration that says what its card says, and that starts."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from equigrasp.data.items import SampleSettings
from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.options import plain_value
from equigrasp.policy.keyframes.clouds import CloudSettings
from equigrasp.policy.keyframes.dataset import Augmentation
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.training import build_policy
from equigrasp.train import CONFIGS, build_model, main_config, train_from_config
from equigrasp.training.settings import TrainSettings
from equigrasp.weights import SHIPPED, shipped_names

EXPERIMENTS = CONFIGS / "experiment" / "shipped"
POLICIES = shipped_names(SHIPPED / "policies")
SINCE = {"empty_share": 0.0}
"""What draws of before did not have, and what they were in today's words."""

GIVEN = {"judge": False}
"""What training did not have and `sim.judge_finetune` gives."""


PARTS = ("_first", "_second", "_third")
"""Endings of what a weight was trained in before."""


def part_of(name):
    """The weight that a configuration is a part of, or of."""
    return next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)


def composed(name, *more):
    """The configuration of `experiment=shipped/NAME`, as its command line composes it."""
    arguments = [f"experiment=shipped/{name}", *more]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return OmegaConf.to_container(compose(main_config(arguments), arguments), resolve=True)


def card_of(name, folder=SHIPPED):
    return json.loads((folder / f"{name}.json").read_text())


def start_of(init):
    """What a card calls the run that a model began from."""
    path = Path(init)
    return (path.parent if path.stem == "model" else path).name


def check_training(config, card):
    trained = TrainSettings(seed=config["seed"], **config["trainer"]).identity()
    assert {name: trained[name] for name in card["training"]} == card["training"]
    assert config["seed"] == card["seed"]


def test_every_weight_has_a_configuration_and_every_configuration_a_weight():
    files = {path.stem for path in EXPERIMENTS.glob("*.yaml")}
    weights = {*shipped_names(), *POLICIES}
    assert weights <= files
    assert {part_of(name) for name in files} <= weights


@pytest.mark.parametrize("name", shipped_names())
def test_the_configuration_says_what_the_card_says(name):
    config, card = composed(name), card_of(name)
    check_training(config, card)
    assert [Path(folder).name for folder in config["data"]["dirs"]] == [
        data["name"] for data in card["data"]
    ]
    assert (config["init"] and start_of(config["init"])) == card.get("init")
    assert config["data"]["validation_scenes"] == card["validation_scenes"]
    model = build_model(config["model"])
    trained = card["config"] | (GIVEN if "judge" in card["config"] else {})
    assert {key: plain_value(model.config[key]) for key in trained} == trained
    assert card["config"] == trained or card["judged"]
    draws = SampleSettings(
        **config["data"]["sample"],
        resolution=model.resolution,
        encoding=model.encoding,
        query_setback=model.query_setback,
    )
    assert plain_value(asdict(draws)) == {**SINCE, **card["draws"]}


@pytest.mark.parametrize("name", [n for n in shipped_names() if card_of(n).get("init")])
def test_what_training_began_from_is_made_by_a_configuration_too(name):
    earlier = [
        composed(f"{name}{part}") for part in PARTS if (EXPERIMENTS / f"{name}{part}.yaml").exists()
    ]
    made = {config["run_dir"]: config for config in earlier}
    config, runs = composed(name), []
    while config["init"] is not None:
        runs.append(config["run_dir"])
        before = made[config["init"]]
        assert build_model(before["model"]).config == build_model(config["model"]).config
        config = before
    assert len({*runs, config["run_dir"]}) == 1 + len(earlier)


@pytest.mark.parametrize("name", POLICIES)
def test_the_configuration_of_a_policy_says_what_its_card_says(name):
    config, card = composed(name), card_of(name, SHIPPED / "policies")
    check_training(config, card)
    assert config["policy"] == card["policy"]
    assert Augmentation(**config["data"]["augmentation"]) == Augmentation(**card["augmentation"])
    assert asdict(CloudSettings.of(config["data"]["cloud"])) == asdict(
        CloudSettings.of(card["cloud"])
    )
    assert config["data"]["cameras"] == card["cameras"]
    words = Vocabulary(card["config"]["text"]["vocabulary"])
    policy = build_policy(config["model"], words)
    assert {key: plain_value(policy.config[key]) for key in card["config"]} == card["config"]
    assert config["data"]["tasks"] == card["tasks"]
    assert start_of(config["init"]) == card["init"]
    for part in (composed(f"{name}{part}") for part in reversed(PARTS)):
        assert config["init"] == part["run_dir"]
        before = build_policy(part["model"], words)
        build_policy(config["model"], words, before)  # or it is refused
        config = part
    assert config["init"] is None


@pytest.mark.parametrize("name", shipped_names())
def test_a_run_of_it_starts(name, tmp_path):
    folders = []
    for folder in composed(name)["data"]["dirs"]:
        folders.append(tmp_path / Path(folder).name)
        write_synthetic_data_set(folders[-1], 4, seed=len(folders), grasps=8, occupancy_points=64)
    short = ["trainer.epochs=null", "trainer.max_steps=2", "trainer.warmup_steps=1"]
    short += ["trainer.accelerator=cpu", "trainer.processes=0", "trainer.batch_size=2"]
    card = card_of(name)
    if card.get("init"):  # in place of the run that it would begin from
        short += [f"init={name}"]
        short += ["model.judge=true"] if card["config"].get("judge") else []
    dirs = f"data.dirs=[{','.join(map(str, folders))}]"
    before = torch.get_num_threads()
    result = train_from_config(
        composed(name, *short, dirs, f"run_dir={tmp_path / 'run'}", "trainer.progress=false")
    )
    torch.set_num_threads(before)
    assert result.step == 2
    assert (tmp_path / "run" / "model.safetensors").exists()
