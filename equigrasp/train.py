"""Train a model: `python -m equigrasp.train model=equiigd`.

Hydra composes `configs/train.yaml` for grasp models, `configs/train_policy.yaml` for keyframe
policies (`model=mini_diffuser data=demos`), `configs/train_chunks.yaml` for policies of chunks of
actions (`model=diffusion_policy data=pusht`); every option is explained there. Hydra stops here:
everything below takes plain arguments. Run the same command again to go on after an interruption.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

import equigrasp
from equigrasp.data import batch_keys as keys
from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.files import disk_fault
from equigrasp.data.item_store import StoredItems
from equigrasp.data.items import SampleSettings
from equigrasp.data.split import DataSetError
from equigrasp.data.trained_on import trained_on
from equigrasp.hand import require_same_hand
from equigrasp.home import CONFIGS
from equigrasp.interruption import interrupted
from equigrasp.policy.chunk_training import train_chunks
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.training import train_policy
from equigrasp.testing import equivariance_error
from equigrasp.training.best_model import save_best_model
from equigrasp.training.checkpoint import CheckpointError
from equigrasp.training.data_at_hand import choose_data, data_at_hand, name_at_hand
from equigrasp.training.grasp_recipe import GraspRecipe
from equigrasp.training.instantiate import instantiate, target_of
from equigrasp.training.loop import TrainResult, train
from equigrasp.training.settings import TrainSettings
from equigrasp.workspace import require_same_cube

log = logging.getLogger(__name__)

AT_HAND = "data_at_hand"
"""Name by which configurations ask for the data sets that are there."""

OmegaConf.register_new_resolver(
    AT_HAND, lambda *kinds: [*map(str, data_at_hand(kinds))], replace=True
)
OmegaConf.register_new_resolver("name_at_hand", lambda *kinds: name_at_hand(kinds), replace=True)


def train_from_config(config: dict[str, Any]) -> TrainResult:
    """Build data, model and loss from a composed configuration, train, and export the best.

    Args:
        config: `configs/train.yaml` with its groups, resolved to plain containers.

    Returns:
        The run's result; `<run_dir>/model.safetensors` and `model.json` hold the exported model.

    Raises:
        DataSetError, CheckpointError, ValueError, FloatingPointError: with what to do about it.
    """
    run_dir = Path(config["run_dir"])
    settings = TrainSettings.of(config["trainer"], config["seed"])
    build = partial(build_model, config["model"], config["init"])
    model = build()
    train_data, val_data = build_data(config["data"], model, config["seed"])
    store = config["data"].get("store")
    log.info("training on %d scenes, validating on %d", len(train_data.paths), len(val_data))
    result = train(
        build,
        GraspRecipe(instantiate(config["loss"])),
        train_data if store is None else StoredItems(train_data, store),
        val_data,
        settings,
        run_dir,
        identity={
            "model": config["model"],
            "init": config["init"],
            "loss": config["loss"],
            "draws": asdict(train_data.settings),
            "train_scenes": train_data.fingerprint(),
            "val_scenes": val_data.fingerprint(),
        },
        extra_metrics=partial(_equivariance, tsdf=val_data[0][keys.TSDF]),
    )
    init = config["init"]
    before = None if init is None else model.card.get("trained_on", {})
    card = data_card(train_data, val_data, before) | {"init": init}
    save_best_model(model, result, settings, card)
    return result


def build_model(block: dict[str, Any], init: str | None = None) -> nn.Module:
    """A model from its configuration block, freshly initialised or with saved weights.

    Args:
        block: the `model` block of the configuration.
        init: shipped name or path of a saved model to start from.

    Raises:
        ValueError: if the saved model is of another build.
    """
    model = instantiate(block)
    if init is None:
        return model
    saved = equigrasp.load_model(init, frozen=False)
    if saved.config != model.config:
        raise ValueError(
            f"init={init} is a model of {saved.config}, but the configuration asks for "
            f"{model.config}; set the model options to those of the saved model"
        )
    return saved


def build_data(
    data: dict[str, Any], model: nn.Module, seed: int
) -> tuple[GraspSceneDataset, GraspSceneDataset]:
    """Training and validation sets whose grids and query points suit a model.

    Validation keeps the natural share of successes, asks only simulated candidates, has no empty
    tables, and always draws the same noise, views and points.

    Args:
        data: the `data` block of the configuration.
        model: gives `resolution`, `encoding` and `query_setback`.
        seed: seed of all draws.

    Raises:
        DataSetError: a data set is missing or empty.
        ValueError: the data are made for another hand or workspace than the model.
    """
    sample = SampleSettings(
        **data["sample"],
        resolution=model.resolution,
        encoding=model.encoding,
        query_setback=model.query_setback,
    )
    checked = replace(
        sample,
        positive_share=None,
        empty_share=0.0,
        queries=data["validation_queries"],
        quarter_turns=False,
        mirrors=False,
    )
    common = {"seed": seed, "val_fraction": data["val_fraction"]}
    train_data = GraspSceneDataset(
        data["dirs"],
        "train",
        sample,
        max_scenes=data["max_scenes"],
        cache_bytes=int(data["cache_gb"] * 2**30),
        visits=data["visits"],
        **common,
    )
    val_data = GraspSceneDataset(
        data["dirs"], "val", checked, max_scenes=data["validation_scenes"], **common
    )
    made_for, owner = train_data.made_for, ", ".join(map(str, train_data.dirs))
    require_same_hand(model.hand, "the model", made_for.hand, owner)
    require_same_cube(model.workspace, "the model", made_for.workspace, owner)
    return train_data, val_data


def data_card(
    train_data: GraspSceneDataset,
    val_data: GraspSceneDataset,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """JSON-able facts about data and draws that travel with the weights.

    Args:
        train_data, val_data: of one set of folders.
        before: see `equigrasp.data.trained_on.trained_on`.
    """
    return {
        "data": train_data.sources(),
        "trained_on": trained_on(train_data.dirs, before),
        "train_scenes": len(train_data.paths),
        "validation_scenes": len(val_data),
        "split": "by scene: hash of the scene's file name",
        "draws": asdict(train_data.settings),
    }


def _equivariance(model: nn.Module, tsdf: Tensor) -> dict[str, float]:
    """Largest deviation per output over the turns, on a validation scene."""
    errors = equivariance_error(model, tsdf=tsdf[None])
    return {f"equivariance_{name}": max(by_turn.values()) for name, by_turn in errors.items()}


def main() -> None:
    """Command line: finds out what kind of model is meant and lets Hydra compose its options."""
    name = main_config(sys.argv[1:])
    hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=name)(_run)()


def main_config(arguments: Sequence[str]) -> str:
    """Name of the configuration file that a command line is about.

    Args:
        arguments: overrides, for instance `["model=mini_diffuser", "data=demos"]`; without a
            model, the one of the experiment.
    """
    chosen = [text.split("=", 1)[1] for text in arguments if text.startswith("model=")]
    chosen = chosen or [*_models_of_experiments(arguments)]
    path = CONFIGS / "model" / f"{chosen[-1].split(',')[0]}.yaml" if chosen else None
    if path is None or not path.exists():  # Hydra names the choices
        return "train"
    return _main_of(OmegaConf.load(path))


def _models_of_experiments(arguments: Sequence[str]) -> Iterator[str]:
    """Models that the named experiments choose."""
    for text in arguments:
        group, _, name = text.partition("=")
        path = CONFIGS / "experiment" / f"{name}.yaml"
        if group == "experiment" and path.exists():
            for entry in OmegaConf.load(path).get("defaults", []):
                if OmegaConf.is_config(entry) and "override /model" in entry:
                    yield entry["override /model"]


def kinds_at_hand(config: DictConfig) -> list[str]:
    """Kinds that `data=auto` looks for, none where the folders of data are other ones."""
    dirs = OmegaConf.to_container(config.data, resolve=False).get("dirs")
    found = re.fullmatch(rf"\$\{{{AT_HAND}:(.+)\}}", dirs if isinstance(dirs, str) else "")
    return found[1].split(",") if found else []


POLICIES = {"train_policy": KeyframePolicy, "train_chunks": DiffusionPolicy}
"""Configuration files that are not about grasp models, and the classes that they are about."""


def _main_of(model: Mapping[str, Any]) -> str:
    """The configuration file that the class of a model block belongs to."""
    kind = target_of(model)
    if isinstance(kind, type):
        for main, base in POLICIES.items():
            if issubclass(kind, base):
                return main
    return "train"


def _run(config: DictConfig) -> None:
    """Train; known errors become one message."""
    plain = OmegaConf.to_container(config, resolve=True)
    try:
        if kinds := kinds_at_hand(config):
            log.info(choose_data(kinds))
        programs = {"train_policy": train_policy, "train_chunks": train_chunks}
        programs.get(_main_of(plain["model"]), train_from_config)(plain)
    except (DataSetError, CheckpointError, ValueError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {disk_fault(error)}")
    except KeyboardInterrupt:
        sys.exit(interrupted("the same command goes on from the last checkpoint"))


if __name__ == "__main__":
    main()
