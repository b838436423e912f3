"""The network of the published size: how large it is, and that it takes a step."""

from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import OmegaConf

from equigrasp.policy.keyframes.synthetic import SENTENCES, random_actions, random_observations
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.recipe import KeyframeRecipe
from equigrasp.policy.training import build_policy
from equigrasp.train import main_config
from equigrasp.training.settings import TrainSettings

CONFIGS = Path(__file__).parents[3] / "configs"
ARGUMENTS = ["experiment=published_mini_diffuser", "data=demos"]


@pytest.fixture(scope="module")
def config():
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        composed = hydra.compose(main_config(ARGUMENTS), ARGUMENTS)
    return OmegaConf.to_container(composed, resolve=False)


@pytest.fixture(scope="module")
def policy(config):
    torch.manual_seed(0)
    return build_policy(config["model"], Vocabulary.of(SENTENCES))


def test_it_has_five_scales_and_about_as_many_parameters_as_published(policy):
    assert len(policy.options["widths"]) == 5
    assert sum(p.numel() for p in policy.parameters()) == pytest.approx(17.49e6, rel=0.02)


def test_it_is_trained_as_published(config):
    assert config["policy"]["samples"] == 64
    settings = TrainSettings.of(config["trainer"], 0)
    assert (settings.batch_size, settings.betas) == (100, (0.9, 0.98))
    assert (settings.learning_rate, settings.warmup_steps) == (2e-4, 4000)
    assert config["data"]["cloud"]["points"] == 4000
    assert config["data"]["augmentation"]["yaw"] == pytest.approx(torch.pi / 4, abs=1e-6)


def test_a_step_lowers_the_loss_of_a_tiny_batch(policy):
    """With all points that a cloud may have, and the weights of the losses as published."""
    seen = random_observations(2, 4000, dtype=torch.float32)
    wanted = random_actions(2, dtype=torch.float32)
    weights = KeyframeRecipe(SENTENCES, samples=8).step(policy, "32-true").weights
    optimiser = torch.optim.AdamW(policy.parameters(), lr=2e-4, betas=(0.9, 0.98))

    def loss():
        losses = policy.losses(seen, wanted, 8, torch.Generator().manual_seed(0))
        return sum(weights[name] * value for name, value in losses.items())

    before = loss()
    before.backward()
    optimiser.step()
    with torch.no_grad():
        assert loss() < before
