"""Chunk policies learn from episodes on disk, resume exactly, and are saved as they were."""

import json
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf

from equigrasp.data.split import DataSetError
from equigrasp.policy.chunk_saved import load_chunk_policy
from equigrasp.policy.chunk_training import build_chunk_policy, build_chunks, train_chunks
from equigrasp.policy.chunks.chunk_io import pixels
from equigrasp.policy.chunks.dataset import observed_of
from equigrasp.policy.chunks.recipe import ChunkRecipe
from equigrasp.policy.replays.diffusion_policy_files import write_diffusion_policy
from equigrasp.policy.replays.replay import Replay
from equigrasp.train import main_config
from equigrasp.training.loader import collate
from equigrasp.training.run_log import read_records
from equigrasp.training.settings import TrainSettings

pytest.importorskip("numcodecs")
CONFIGS = Path(__file__).parents[3] / "configs"
MODEL = {
    "_target_": "equigrasp.policy.chunks.diffusion_policy.DiffusionPolicy",
    "denoiser": "mlp",
    "channels": 16,
    "hidden": 32,
    "layers": 1,
    "image_widths": [8, 16],
    "crop": 24,
}


def configuration(root, run_dir, sees="state", **trainer):
    settings = {"max_steps": 6, "batch_size": 4, "warmup_steps": 2, "checkpoint_every": 3}
    settings |= {"validate_every": 3, "log_every": 1, "accelerator": "cpu", "progress": False}
    return {
        "seed": 0,
        "run_dir": str(run_dir),
        "init": None,
        "model": {**MODEL, "sees": sees},
        "policy": {"samples": 4, "steps": 2},
        "data": {"name": "pusht", "root": str(root), "episodes": None, "val_fraction": 0.3},
        "trainer": settings | {"threads": 1, **trainer},
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three episodes of agents that run along straight lines."""
    random = np.random.default_rng(0)
    starts = random.uniform(100, 300, (3, 1, 2))
    agent = (starts + np.arange(30)[:, None] * np.array([5.0, 3.0])).reshape(-1, 2)
    image = random.integers(0, 256, (90, 28, 28, 3), dtype=np.uint8)
    block = np.tile([256.0, 300.0, 1.0], (90, 1))
    arrays = [agent + 10, agent, block]
    found = (array.astype(np.float32) for array in arrays)
    path = tmp_path_factory.mktemp("chunks") / "pusht.zarr"
    write_diffusion_policy(Replay(*found, image, None, np.array([30, 60, 90])), path)
    return path


@pytest.fixture(scope="module", params=["state", "image"])
def trained(request, root, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run") / request.param
    return request.param, run_dir, train_chunks(configuration(root, run_dir, request.param))


def test_the_latest_average_is_what_is_saved(trained, root):
    sees, run_dir, result = trained
    assert (result.step, result.best_step) == (6, 6)
    policy = load_chunk_policy(run_dir)
    assert policy.config["sees"] == sees
    assert policy.card["train_episodes"] == 2
    assert policy.card["policy"] == {"samples": 4, "steps": 2}
    last = read_records(run_dir / "metrics.jsonl", "validation")[-1]
    held = build_chunks(configuration(root, run_dir, sees)["data"], policy, 0)[1]
    found = ChunkRecipe(samples=4, steps=2).validation_metrics(
        policy, held, workers=0, device="cpu"
    )
    for name, value in found.items():
        assert value == pytest.approx(last[name], rel=1e-5), name


def test_an_interrupted_run_goes_on_with_the_same_numbers(trained, root, tmp_path):
    sees, run_dir, _ = trained
    train_chunks(configuration(root, tmp_path, sees, max_minutes=1e-9))
    assert len(read_records(tmp_path / "metrics.jsonl", "train")) < 6
    train_chunks(configuration(root, tmp_path, sees))
    losses = [
        [(r["step"], r["loss"]) for r in read_records(folder / "metrics.jsonl", "train")]
        for folder in (run_dir, tmp_path)
    ]
    assert losses[0] == losses[1]


def test_validation_measures_pixels(root):
    """A policy that always sends the agent to the middle is as far off as the actions are."""
    policy = build_chunk_policy(MODEL)
    _, held = build_chunks(configuration(root, "")["data"], policy, 0)
    policy.act = lambda seen, *_, **__: torch.zeros(len(seen.state), 8, 2)
    found = ChunkRecipe(samples=1).validation_metrics(policy, held, workers=0, device="cpu")
    batch = collate([held[0, i] for i in range(len(held))])
    wanted = pixels(policy.played(batch["action"]))
    away = (wanted - 256).norm(dim=-1)
    assert found["action_error_px"] == pytest.approx(float(away.mean()), rel=1e-5)
    assert found["near"] == pytest.approx(float((away < 12).float().mean()))
    assert observed_of(batch).image is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"root": None}, "use data=pusht"),
        ({"root": "absent"}, r"data_gen/pusht.py --out absent"),
        ({"val_fraction": 1.0}, "between 0 and 1"),
    ],
)
def test_data_that_cannot_serve_are_named(root, change, message):
    data = configuration(root, "")["data"] | change
    with pytest.raises((DataSetError, ValueError), match=message):
        build_chunks(data, build_chunk_policy(MODEL), 0)


def test_episodes_limit_training_alone(root):
    data = configuration(root, "")["data"] | {"episodes": 1}
    learned, held = build_chunks(data, build_chunk_policy(MODEL), 0)
    assert (len(learned.replay.ends), len(held.replay.ends)) == (1, 1)
    assert not np.array_equal(learned.replay.action, held.replay.action)


def test_training_starts_from_saved_weights(trained):
    sees, run_dir, _ = trained
    started = build_chunk_policy({**MODEL, "sees": sees}, str(run_dir))
    saved = load_chunk_policy(run_dir)
    for name, tensor in started.state_dict().items():
        assert torch.equal(tensor, saved.state_dict()[name])
    assert started.training
    with pytest.raises(ValueError, match="set the model options"):
        build_chunk_policy({**MODEL, "sees": sees, "hidden": 40}, str(run_dir))


def test_other_policies_and_builds_are_refused(trained, tmp_path):
    _, run_dir, _ = trained
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((run_dir / name).read_bytes())
    card = json.loads((tmp_path / "model.json").read_text())
    card["config"]["build"] = 0
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="build 0; needed is a diffusion_policy of build 1"):
        load_chunk_policy(tmp_path, verify=False)
    with pytest.raises(ValueError, match="needed is a diffusion_policy"):
        load_chunk_policy("mini_diffuser_tasks")


def test_options_of_training_are_refused_with_what_to_give(root):
    with pytest.raises(ValueError, match="policy.samples is 0"):
        ChunkRecipe(samples=0)
    with pytest.raises(ValueError, match="32-true"):
        ChunkRecipe(samples=1).step(build_chunk_policy(MODEL), "bf16-mixed")


@pytest.mark.parametrize("experiment", [[], ["experiment=pusht_one_core"]])
def test_what_is_composed_can_be_built(experiment):
    arguments = ["model=diffusion_policy", "data=pusht", *experiment]
    assert main_config(arguments) == "train_chunks"
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        composed = OmegaConf.to_container(hydra.compose("train_chunks", arguments), resolve=False)
    policy = build_chunk_policy(composed["model"])
    assert policy.options == {k: v for k, v in composed["model"].items() if k != "_target_"}
    TrainSettings(**composed["trainer"])
    ChunkRecipe(**composed["policy"])
    shown = yaml.safe_load((CONFIGS / "train_chunks.yaml").read_text())
    assert set(composed["data"]) == set(shown["data"])
