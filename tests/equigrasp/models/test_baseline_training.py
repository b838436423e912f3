"""The baselines through the command line's training, with C4 augmentation."""

import math
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import equigrasp
from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.train import train_from_config

_CONFIGS = Path(equigrasp.__file__).parents[1] / "configs"
_TINY = [
    *("trainer=quick", "trainer.max_steps=2", "trainer.warmup_steps=1", "trainer.batch_size=2"),
    *("trainer.validate_every=2", "trainer.progress=false", "trainer.threads=1"),
    *("data.sample.queries=16", "data.sample.occupancy_points=16", "data.validation_queries=16"),
    *("data.sample.quarter_turns=true", "model.resolution=16"),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data") / "made_up"
    write_synthetic_data_set(directory, 8, seed=2, grasps=40, occupancy_points=200)
    return directory


@pytest.mark.parametrize("name", ["giga", "pointnet", "vgn"])
def test_training_validates_what_the_model_predicts(data_dir, tmp_path, name):
    chosen = [f"model={name}", f"data.dirs=[{data_dir}]", f"run_dir={tmp_path / 'run'}"]
    with initialize_config_dir(str(_CONFIGS), version_base="1.3"):
        config = OmegaConf.to_container(
            compose("train", [*_TINY, *chosen, "name=tiny"]), resolve=True
        )
    before = torch.get_num_threads()
    result = train_from_config(config)
    torch.set_num_threads(before)
    assert result.step == 2
    metrics = result.best_metrics
    assert math.isfinite(metrics["average_precision"])
    assert math.isnan(metrics["occupancy_iou"]) == (name != "giga")
    assert ("equivariance_occupancy" in metrics) == (name == "giga")
    loaded = equigrasp.load_model(tmp_path / "run")
    encoding = "full" if name == "pointnet" else "published"
    assert (loaded.name, loaded.resolution, loaded.encoding) == (name, 16, encoding)
    assert loaded.card["draws"]["quarter_turns"] is True
    assert loaded.card["draws"]["query_setback"] == loaded.query_setback
