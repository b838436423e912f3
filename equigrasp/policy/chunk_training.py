"""Train Diffusion Policy: `python -m equigrasp.train model=diffusion_policy data=pusht`."""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from pathlib import Path
from typing import Any

from equigrasp.data.split import DataSetError
from equigrasp.home import typed
from equigrasp.policy.chunk_saved import load_chunk_policy
from equigrasp.policy.chunks.dataset import ChunkDataset, split_episodes
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.chunks.recipe import ChunkRecipe
from equigrasp.policy.replays.read import read_replay
from equigrasp.policy.replays.replay import Replay, ReplayError, joined
from equigrasp.training.best_model import save_best_model
from equigrasp.training.instantiate import instantiate
from equigrasp.training.loop import TrainResult, train
from equigrasp.training.settings import TrainSettings

log = logging.getLogger(__name__)


def train_chunks(config: dict[str, Any]) -> TrainResult:
    """Build data and policy from a composed configuration, train, and export the latest average.

    Args:
        config: `configs/train_chunks.yaml` with its groups, resolved to plain containers.

    Returns:
        The run's result; `<run_dir>/model.safetensors` and `model.json` hold the exported policy.

    Raises:
        DataSetError, CheckpointError, ValueError, FloatingPointError: with what to do about it.
    """
    run_dir = Path(config["run_dir"])
    settings = TrainSettings.of(config["trainer"], config["seed"])
    build = partial(build_chunk_policy, config["model"], config["init"])
    model = build()
    recipe = ChunkRecipe(**config["policy"])
    train_data, val_data = build_chunks(config["data"], model, config["seed"])
    log.info("training on %d chunks, validating on %d", len(train_data), len(val_data))
    result = train(
        build,
        recipe,
        train_data,
        val_data,
        settings,
        run_dir,
        identity={
            "model": model.config,
            "init": config["init"],
            "policy": config["policy"],
            "chunks": [fingerprint(train_data.replay), fingerprint(val_data.replay)],
        },
    )
    card = {
        "policy": config["policy"],
        "init": config["init"],
        "train_episodes": len(train_data.replay.ends),
        "train_chunks": len(train_data),
        "validation_episodes": len(val_data.replay.ends),
        "episodes_digest": fingerprint(train_data.replay),
    }
    save_best_model(model, result, settings, card)
    return result


def build_chunk_policy(block: dict[str, Any], init: str | None = None) -> DiffusionPolicy:
    """A policy from its configuration block, freshly initialised or with saved weights.

    Args:
        block: the `model` block of the configuration.
        init: path of a saved policy to start from.

    Raises:
        ValueError: the saved policy has other options.
    """
    policy = instantiate(block)
    if init is None:
        return policy
    saved = load_chunk_policy(init)
    if saved.config != policy.config:
        raise ValueError(
            f"init={init} is a policy of {saved.config}, but the configuration asks for "
            f"{policy.config}; set the model options to those of the saved policy"
        )
    return saved.train()


def build_chunks(
    data: dict[str, Any], policy: DiffusionPolicy, seed: int
) -> tuple[ChunkDataset, ChunkDataset]:
    """Training and validation chunks.

    Args:
        data: the `data` block of the configuration.
        policy: that is to learn from them.
        seed: of the places where pictures are cut out.

    Raises:
        DataSetError: there are none, or they are torn.
    """
    if data.get("root") is None:
        raise DataSetError(f"data={data['name']} holds no chunks of actions; use data=pusht")
    try:
        replay = read_replay(Path(data["root"]), images=policy.sees == "image")
        learned, held = split_episodes(len(replay.ends), data["val_fraction"])
        make = partial(
            ChunkDataset,
            sees=policy.sees,
            horizon=policy.horizon,
            observed=policy.observed,
            executed=policy.executed,
            seed=seed,
        )
        return (
            make(joined([replay], learned[: data["episodes"]]), crop=policy.crop),
            make(joined([replay], held)),
        )
    except FileNotFoundError as error:
        raise DataSetError(
            f"{error}; `{typed('data_gen/pusht.py')} --out {data['root']}` makes demonstrations"
        ) from error
    except ReplayError as error:
        raise DataSetError(str(error)) from error


def fingerprint(replay: Replay) -> str:
    """Digest of the actions and of where episodes end."""
    digest = hashlib.sha256(replay.action.tobytes())
    digest.update(replay.ends.tobytes())
    return digest.hexdigest()[:16]
