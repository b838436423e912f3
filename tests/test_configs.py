"""Blocks of configs/ that name a class agree with it: names, types and, of models, defaults."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest
import yaml

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
