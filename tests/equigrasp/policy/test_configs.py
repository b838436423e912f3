"""Files of configs/ that train policies agree with what they fill; see tests/test_configs.py."""

import inspect
from pathlib import Path

import hydra
import pytest
import yaml
from omegaconf import OmegaConf

from equigrasp.policy.episodes.frames import CAMERAS
from equigrasp.policy.keyframes.clouds import CloudSettings
from equigrasp.policy.keyframes.dataset import Augmentation, KeyframeDataset
from equigrasp.policy.models import policy_classes
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.recipe import KeyframeRecipe
from equigrasp.policy.training import TEXT_KINDS, build_policy, build_words
from equigrasp.training.settings import TrainSettings

CONFIGS = Path(__file__).parents[3] / "configs"
THREE_HOURS = [f"policy_three_hours_{part}" for part in ("second", "sliding", "last")]
"""Parts of a chain, after policy_three_hours."""


def read(name):
    return yaml.safe_load((CONFIGS / name).read_text())


def options_of(function):
    """Names and defaults of what may be given by name."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty or parameter.kind is parameter.KEYWORD_ONLY
    }


@pytest.mark.parametrize("name", policy_classes())
def test_every_policy_has_a_file_of_its_options(name):
    assert read(f"model/{name}.yaml")["_target_"].endswith(f".{policy_classes()[name].__name__}")


@pytest.mark.parametrize(
    ("name", "experiment"),
    [
        *((name, []) for name in policy_classes()),
        ("mini_diffuser", ["experiment=policy_one_core"]),
        ("mini_diffuser", ["experiment=policy_three_hours"]),
        *(("mini_diffuser", [f"experiment={name}"]) for name in THREE_HOURS),
        ("mini_diffuser", ["experiment=real_one_camera"]),
        ("mini_diffuser", ["experiment=published_mini_diffuser"]),
    ],
)
def test_what_is_composed_can_be_built(name, experiment):
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        composed = hydra.compose("train_policy", [f"model={name}", *experiment])
    composed = OmegaConf.to_container(composed, resolve=False)
    policy = build_policy(composed["model"], Vocabulary(["push"]))
    assert policy.name == name
    assert policy.options == {k: v for k, v in composed["model"].items() if k != "_target_"}
    TrainSettings(**composed["trainer"])
    CloudSettings.of(composed["data"]["cloud"])
    Augmentation(**composed["data"]["augmentation"])
    recipe = KeyframeRecipe(["push"], **composed["policy"])
    weights = recipe.step(policy, composed["trainer"]["precision"]).weights
    assert set(weights) == set(policy.loss_weights)


def test_parts_of_the_chain_begin_where_the_one_before_ended():
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        first, *parts = (
            hydra.compose("train_policy", ["model=mini_diffuser", "data=demos", f"experiment={e}"])
            for e in ("policy_three_hours", *THREE_HOURS)
        )
    before = "three_hours"  # as docs/tasks.md names the first
    for part in parts:
        assert part.init == f"runs/{before}"
        before = part.name
        assert part.model == first.model
        assert part.data.cloud == first.data.cloud
        assert part.trainer.devices * part.trainer.batch_size == 16


def test_the_block_of_the_recipe_shows_its_options():
    block, options = read("train_policy.yaml")["policy"], options_of(KeyframeRecipe)
    assert set(block) == set(options)
    defaults = {k: v for k, v in options.items() if v is not inspect.Parameter.empty}
    assert {name: block[name] for name in defaults} == defaults


def test_the_block_of_the_data_shows_the_options_of_the_data_set():
    block, options = read("train_policy.yaml")["data"], options_of(KeyframeDataset)
    elsewhere = {"split", "memory"}  # each side its own, and a share of `cache_gb`
    assert set(options) - elsewhere <= set(block)
    for name in ("tasks", "val_fraction", "episodes", "cache"):
        assert block[name] == options[name], name
    assert sorted(block["cameras"]) == sorted(CAMERAS)


def test_there_is_a_file_for_every_kind_of_text():
    assert sorted(path.stem for path in CONFIGS.glob("text/*.yaml")) == sorted(TEXT_KINDS)
    for kind in TEXT_KINDS:
        block = read(f"text/{kind}.yaml")
        assert block["kind"] == kind
        assert set(block) == ({"kind", "path"} if kind == "clip" else {"kind"})
    assert build_words(read("text/clip.yaml") | {"path": "DIR"}, None) == "DIR"
    with pytest.raises(ValueError, match="vocabulary, clip"):
        build_words({"kind": "bert"}, None)
