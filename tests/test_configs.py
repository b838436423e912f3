"""Every block of configs/ agrees with the class or the settings that it fills.

Names and types always; defaults where a file shows them (models, `train.yaml`, hands), so that
none is written down twice and differently.
"""

import inspect
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

import pytest
import yaml

from equigrasp.data.items import SampleSettings
from equigrasp.hand import PANDA, Hand, load_hand
from equigrasp.models.losses import GraspLoss
from equigrasp.policy.keyframes.clouds import CloudSettings
from equigrasp.policy.keyframes.dataset import Augmentation
from equigrasp.training.settings import TrainSettings

CONFIGS = Path(__file__).parents[1] / "configs"
ELSEWHERE = {"bank": "shared between models", "hand": "a group of its own"}
"""Options that no file of configs/model lists, and why."""


def blocks_with_target(tree, path=()):
    """(path, block) of every mapping that names a class, however deep it lies."""
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield ".".join(path), tree
        for key, value in tree.items():
            yield from blocks_with_target(value, (*path, str(key)))


def all_blocks():
    """One parameter set of each such block in any file."""
    for file in sorted(CONFIGS.rglob("*.yaml")):
        place = str(file.relative_to(CONFIGS))
        for inner, block in blocks_with_target(yaml.safe_load(file.read_text())):
            yield pytest.param(place, block, id=f"{place}:{inner}" if inner else place)


def class_of(block):
    module, _, name = block["_target_"].rpartition(".")
    return getattr(import_module(module), name)


def as_in_yaml(value):
    return [as_in_yaml(entry) for entry in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize(("place", "block"), list(all_blocks()))
def test_block_agrees_with_its_class(place, block):
    parameters = inspect.signature(class_of(block)).parameters
    given = {name: value for name, value in block.items() if name != "_target_"}
    assert set(given) <= set(parameters), "names that the class does not know"
    defaults = {
        name: as_in_yaml(parameter.default)
        for name, parameter in parameters.items()
        if parameter.default is not parameter.empty
    }
    for name in set(given) & set(defaults):
        value, default = given[name], defaults[name]
        assert default is None or value is None or type(value) is type(default), name
    if place.startswith("model/"):  # these show what a class does by default
        assert {name: defaults[name] for name in given} == given
        assert set(defaults) - set(given) == set(ELSEWHERE) & set(defaults)


def test_the_check_finds_blocks_at_any_depth():
    tree = {"a": {"_target_": "x.Y", "b": {"_target_": "x.Z"}}, "c": 1}
    assert [path for path, _ in blocks_with_target(tree)] == ["a", "a.b"]
    places = [parameter.values[0] for parameter in all_blocks()]
    assert {"model/giga.yaml", "model/equiigd.yaml", "train.yaml"} <= set(places)


SETTINGS = {
    # (file, block): (class, fields that come from elsewhere, whether the file shows the defaults)
    ("train.yaml", "trainer"): (TrainSettings, {"seed"}, True),
    ("train.yaml", "data.sample"): (
        SampleSettings,
        {"resolution", "encoding", "query_setback"},  # of the model
        True,
    ),
    ("train_policy.yaml", "trainer"): (TrainSettings, {"seed"}, False),
    ("train_chunks.yaml", "trainer"): (TrainSettings, {"seed"}, False),
    ("train_policy.yaml", "data.cloud"): (CloudSettings, set(), True),
    ("train_policy.yaml", "data.augmentation"): (Augmentation, set(), True),
}


def read(file):
    return yaml.safe_load((CONFIGS / file).read_text())


def block_of(file, path):
    found = read(file)
    for key in path.split("."):
        found = found[key]
    return found


def suits(value, hint):
    """Whether a value from YAML is of an annotated type."""
    if get_origin(hint) in (Union, UnionType):
        return any(suits(value, option) for option in get_args(hint))
    plain = get_origin(hint) or hint
    if plain is float:
        return type(value) in (int, float)
    if isinstance(value, dict) and hasattr(plain, "_fields"):  # a named tuple, entry by entry
        return tuple(value) == plain._fields
    if plain is Mapping:
        kinds = get_args(hint)
        return isinstance(value, dict) and all(
            suits(part, kind)
            for entry in value.items()
            for part, kind in zip(entry, kinds, strict=True)
        )
    return isinstance(value, list) if issubclass(plain, tuple) else type(value) is plain


def misfits(block, settings):
    """Names in a block that a dataclass does not have, or not with such a type."""
    hints = get_type_hints(settings)
    return [name for name, value in block.items() if not suits(value, hints.get(name, set))]


@pytest.mark.parametrize(("file", "path"), SETTINGS)
def test_block_agrees_with_its_settings(file, path):
    settings, elsewhere, shows_defaults = SETTINGS[file, path]
    block = block_of(file, path)
    assert misfits(block, settings) == []
    assert set(block) | elsewhere == {field.name for field in fields(settings)}
    assert not set(block) & elsewhere
    if shows_defaults:
        values = settings()
        assert block == {name: as_in_yaml(getattr(values, name)) for name in block}


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("trainer/*.yaml")), ids=lambda path: path.name)
def test_group_of_trainer_options_fits_the_settings(file):
    block = read(file)
    assert misfits(block, TrainSettings) == []
    TrainSettings(**block)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("hand/*.yaml")), ids=lambda path: path.name)
def test_group_of_hands_describes_hands(file):
    block = read(file)
    assert misfits(block, Hand) == []
    hand = Hand.of(block)
    assert hand.name == file.stem
    assert load_hand(hand.name).to_dict() == hand.to_dict()
    if hand.name == PANDA.name:
        assert hand == PANDA


GRASP_DATA = ("auto", "pile", "packed", "both", "adversarial")
KEYFRAMES = (
    "policy_one_core",
    "policy_three_hours",
    "policy_three_hours_second",
    "policy_three_hours_sliding",
    "policy_three_hours_last",
    "published_mini_diffuser",
    "real_one_camera",
)
PUBLISHED = ("giga", "igd", "vgn", "equigiga", "equiigd")


def leaves(tree, path=()):
    """Dotted names of everything in a tree that is no mapping."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield ".".join((*path, key))


def known_options(main, *groups):
    """Dotted names of the options of a program, with those of its chosen groups."""
    tree = dict(read(main))
    names = set(leaves(tree))
    for group in groups:
        under = group.split("/")[0]
        names |= {f"{under}.{name}" for name in leaves(read(f"{group}.yaml"))}
    return names


@pytest.mark.parametrize(
    ("file", "main", "model"),
    [
        ("experiment/one_core.yaml", "train.yaml", "model/equigiga"),
        *[(f"experiment/published_{m}.yaml", "train.yaml", f"model/{m}") for m in PUBLISHED],
        *[(f"experiment/{k}.yaml", "train_policy.yaml", "model/mini_diffuser") for k in KEYFRAMES],
        *[(f"data/{name}.yaml", "train.yaml", "") for name in GRASP_DATA],
        ("data/demos.yaml", "train_policy.yaml", ""),
        ("experiment/pusht_one_core.yaml", "train_chunks.yaml", "model/diffusion_policy"),
        ("data/pusht.yaml", "train_chunks.yaml", ""),
    ],
)
def test_options_that_a_file_sets_exist(file, main, model):
    under = "data." if file.startswith("data/") else ""
    options = {under + name for name in leaves(read(file))} - {"defaults"}
    known = known_options(main, *([model] if model else []))
    if main == "train.yaml":
        known.add("data.sample.noise")  # shares of several kinds, or one kind
        known |= {f"loss.{name}" for name in inspect.signature(GraspLoss).parameters}
    weights = {name for name in options if name.startswith("policy.weights.")}
    assert options - weights <= known
    assert "policy.weights" in known or not weights  # by the names of the policy's losses


def test_every_file_is_checked_by_something():
    """A new group of configs needs a line in this module."""
    groups = {path.name for path in CONFIGS.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert groups == {"data", "experiment", "hand", "model", "protocol", "text", "trainer"}
    covered = {"one_core", "pusht_one_core", "demos", "pusht", *GRASP_DATA, *KEYFRAMES}
    covered |= {f"published_{name}" for name in PUBLISHED}
    assert {p.stem for g in ("data", "experiment") for p in CONFIGS.glob(f"{g}/*.yaml")} == covered


def test_the_checks_of_settings_can_fail():
    good = {"epochs": 3, "learning_rate": 1, "threads": None}
    assert misfits(good, TrainSettings) == []
    bad = {"epochs": "3", "learning_rate": True, "progress": None, "speed": 1}
    assert misfits(bad, TrainSettings) == list(bad)
