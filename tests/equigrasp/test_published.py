"""The published configurations: their numbers of parameters, and that each can be trained."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import equigrasp
from equigrasp.data.items import SampleSettings
from equigrasp.testing import equivariance_error, synthetic_batch
from equigrasp.training.grasp_recipe import TrainingStep
from equigrasp.training.instantiate import instantiate
from equigrasp.training.settings import TrainSettings

CONFIGS = Path(equigrasp.__file__).parents[1] / "configs"
PARAMETERS = {"giga": 581_863, "igd": 899_659, "vgn": 313_238}
PARAMETERS |= {"equigiga": 1_040_822, "equiigd": 966_526}
"""EquiGIGA's is the published number. EquiIGD's is 979,930: rotation model and judge are ours. GIGA
is quoted as 0.60 M and, with 155,790 parameters of deformation, as 737,653 in the code of EquiGIGA;
IGD as 1,122,716 there, with that deformation and a larger classifier."""
ENCODER = 780_435
"""Of the published EquiGIGA and EquiIGD."""


def composed(name, *overrides):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", [f"experiment=published_{name}", "data=packed", *overrides])
    return OmegaConf.to_container(config, resolve=True)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_published_configuration_has_its_parameters_and_takes_a_step(name):
    config = composed(name)
    model = instantiate(config["model"])
    assert count(model) == PARAMETERS[name]
    settings = TrainSettings(seed=0, **config["trainer"])
    assert settings.average_decay == settings.warmup_steps == 0
    sample = SampleSettings(**config["data"]["sample"])
    assert not sample.mirrors
    step = TrainingStep(model, instantiate(config["loss"]))
    batch = synthetic_batch(2, sample.queries, 8, model.resolution)
    losses = step(batch, torch.Generator().manual_seed(0))
    losses["loss"].backward()
    assert losses["loss"].isfinite()
    if name.startswith("equi"):
        assert count(model.encoder) == ENCODER


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["model.deform_xy=none", "model.deform_side=none"], 877_787),  # Table IV, row 7
        (["model.deform_xy=none"], 1_033_577),  # row 8
    ],
)
def test_rows_of_the_published_ablation_have_their_parameters(overrides, expected):
    assert count(instantiate(composed("equigiga", *overrides)["model"])) == expected


def test_each_published_choice_alone_is_counted_for_its_symmetry():
    """Plain sides and Gram-Schmidt break it; everything else published keeps it."""
    small = ["model.resolution=16", "model.fields=2", "model.depth=2", "model.head_fields=4"]
    exact = ["model.side_features=induced", "model.rows=polar"]
    model = instantiate(composed("equigiga", *small, *exact)["model"]).double()
    assert model.exact
    errors = equivariance_error(model, num_points=20)
    assert max(max(by_turn.values()) for by_turn in errors.values()) < 1e-9
    for broken in (["model.rows=polar"], ["model.side_features=induced"]):
        model = instantiate(composed("equigiga", *small, *broken)["model"]).double()
        assert not model.exact
        errors = equivariance_error(model, num_points=20)
        assert max(errors["rotation"].values()) > 1e-4
