"""Train a keyframe policy on demonstrations: `python -m equigrasp.train model=mini_diffuser`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from equigrasp.data.split import DataSetError
from equigrasp.home import typed
from equigrasp.policy.episodes.files import EpisodeError
from equigrasp.policy.keyframes.batches import KeyframeBatches
from equigrasp.policy.keyframes.clouds import CloudSettings
from equigrasp.policy.keyframes.dataset import Augmentation, KeyframeDataset
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.nn.learned_later import added_options, grown_weights
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.recipe import KeyframeRecipe
from equigrasp.policy.saved import load_policy
from equigrasp.training.best_model import save_best_model
from equigrasp.training.instantiate import instantiate
from equigrasp.training.loop import TrainResult, train
from equigrasp.training.settings import TrainSettings

log = logging.getLogger(__name__)

TEXT_KINDS = ("vocabulary", "clip")
"""What sentences may be understood with: `configs/text` has a file for each."""


def train_policy(config: dict[str, Any]) -> TrainResult:
    """Build data and policy from a composed configuration, train, and export the best.

    Args:
        config: `configs/train_policy.yaml` with its groups, resolved to plain containers.

    Returns:
        The run's result; `<run_dir>/model.safetensors` and `model.json` hold the exported policy.

    Raises:
        DataSetError, CheckpointError, ValueError, FloatingPointError: with what to do about it.
    """
    run_dir = Path(config["run_dir"])
    settings = TrainSettings.of(config["trainer"], config["seed"])
    train_data, val_data = build_data(config["data"])
    if config["text"]["kind"] == "clip" and train_data.augmentation.words:
        raise ValueError(
            f"data.augmentation.words is {train_data.augmentation.words}, but text=clip knows all "
            "words; leave it at 0"
        )
    sentences = sorted({*train_data.sentences(), *val_data.sentences()})
    saved = load_init(config["init"], config["text"])
    words = build_words(config["text"], train_data, saved)
    build = partial(build_policy, config["model"], words, saved)
    model = build()
    past = model.options.get("past", 0)
    log.info("training on %d keyframes, validating on %d", len(train_data), len(val_data))
    if saved is not None and (other := unfamiliar(saved.card, train_data)):
        log.warning("init=%s has learned from other observations: %s", config["init"], other)
    result = train(
        build,
        KeyframeRecipe(sentences, **config["policy"]),
        KeyframeBatches(train_data, sentences, config["seed"], past=past),
        KeyframeBatches(val_data, sentences, past=past),
        settings,
        run_dir,
        identity={
            "model": model.config,
            "init": config["init"],
            "policy": config["policy"],
            "cloud": train_data.cloud.told(),
            "augmentation": asdict(train_data.augmentation),
            "cameras": train_data.cameras,
            "episodes": [fingerprint(train_data), fingerprint(val_data)],
        },
    )
    card = data_card(train_data, val_data) | {"policy": config["policy"], "init": config["init"]}
    save_best_model(model, result, settings, card)
    return result


def build_data(data: dict[str, Any]) -> tuple[KeyframeDataset, KeyframeDataset]:
    """Training and validation keyframes.

    Args:
        data: the `data` block of the configuration.

    Raises:
        DataSetError: there are none, or one is torn.
    """
    if data["root"] is None:
        raise DataSetError(
            f"data={data['name']} holds no demonstrations; use data=demos, or set data.root"
        )
    make = partial(
        KeyframeDataset,
        data["root"],
        data["tasks"],
        more=data.get("more", ()),
        cloud=CloudSettings.of(data["cloud"]),
        cameras=data["cameras"],
        val_fraction=data["val_fraction"],
        cache=data["cache"],
    )
    memory = int(data["cache_gb"] * 2**30)
    augmentation = Augmentation(**data["augmentation"])
    most = data["episodes"]
    try:
        return (
            make(split="train", episodes=most, memory=memory, augmentation=augmentation),
            make(split="val", episodes=data["validation_episodes"], memory=memory // 4),
        )
    except FileNotFoundError as error:
        raise DataSetError(
            f"{error}; `{typed('data_gen/demos.py')} --out {data['root']}` makes demonstrations"
        ) from error
    except EpisodeError as error:
        raise DataSetError(str(error)) from error


def load_init(init: str | None, text: dict[str, Any]) -> KeyframePolicy | None:
    """The policy that training starts from, if there is one.

    Args:
        init: shipped name or path of a saved policy.
        text: see `build_words`.

    Raises:
        FileNotFoundError, ValueError: see `load_policy`; or it understands sentences another way.
    """
    if init is None:
        return None
    saved = load_policy(init, clip=text["path"] if text["kind"] == "clip" else None)
    if text["kind"] not in saved.config["text"]:
        raise ValueError(
            f"init={init} understands sentences by {next(iter(saved.config['text']))}, but "
            f"text.kind is {text['kind']!r}; set text to what the saved policy was trained with"
        )
    return saved


def build_words(
    text: dict[str, Any], data: KeyframeDataset, saved: KeyframePolicy | None = None
) -> Vocabulary | str:
    """What sentences are understood with.

    Args:
        text: the `text` block: `kind` "vocabulary", or "clip" with the `path` of a folder.
        data: whose words are learned.
        saved: policy to start from, whose words are known already.

    Raises:
        ValueError: another kind.
    """
    if text["kind"] not in TEXT_KINDS:
        raise ValueError(f"text.kind is {text['kind']!r}; choose one of {', '.join(TEXT_KINDS)}")
    if text["kind"] == "clip":
        return text["path"]
    if saved is None:
        return Vocabulary.of(data.sentences())
    return saved.text.vocabulary.with_words_of(data.sentences())


def build_policy(
    block: dict[str, Any], words: Vocabulary | str, saved: KeyframePolicy | None = None
) -> KeyframePolicy:
    """A policy from its configuration block, freshly initialised or with saved weights.

    Args:
        block: the `model` block of the configuration.
        words: see `build_words`; words that the saved policy does not know start afresh.
        saved: policy to start from. It may lack options that the block asks for and that can be
            learned later, see `equigrasp.policy.nn.learned_later`, and have other `free_options`.

    Raises:
        ValueError: the saved policy is of another kind or build, or has other options.
    """
    policy = instantiate(block, words)
    if saved is None:
        return policy
    wanted, found = (
        {k: v for k, v in p.config.items() if k not in {"text", *p.free_options}}
        for p in (policy, saved)
    )
    added = added_options(wanted, found)
    if any(wanted.get(name) != found.get(name) for name in {*wanted, *found} - added):
        raise ValueError(
            f"init is a policy of {found}, but the configuration asks for {wanted}; set the model "
            "options to those of the saved policy (what model.past and model.alike ask for may be "
            "learned later)"
        )
    tensors = grown_weights(saved, policy) if added else saved.state_dict()
    if isinstance(words, Vocabulary):
        known = tensors["text.words.weight"]
        new = policy.text.words.weight.detach()[len(known) :]
        tensors["text.words.weight"] = torch.cat([known, new])
    policy.load_state_dict(tensors)
    return policy


def fingerprint(data: KeyframeDataset) -> str:
    """Digest of the episodes of a side: which they are and how many keyframes they have."""
    names = [f"{e.task}/{e.path.parents[1].name}/{e.number}" for e in data.episodes]
    return hashlib.sha256("\n".join([*names, str(len(data))]).encode()).hexdigest()[:16]


def unfamiliar(card: Mapping[str, Any], data: KeyframeDataset) -> str:
    """What a policy would see otherwise than it learned; empty where that is nothing.

    Args:
        card: of a saved policy.
        data: that it is to be trained on.
    """
    known = ("cameras", "image_size")
    before, after = (
        {name: c[name] for name in known} | asdict(CloudSettings.of(c["cloud"]))
        for c in (card, data_card(data, data))
    )
    differing = [
        f"{name} {after[name]} (it learned with {before[name]})"
        for name in after
        if before[name] != after[name]
    ]
    return ", ".join(differing)


def data_card(train_data: KeyframeDataset, val_data: KeyframeDataset) -> dict[str, Any]:
    """JSON-able facts that travel with the weights: how clouds are made, and from which data."""
    height, _, _ = train_data.episodes[0].rgb(train_data.cameras[0], 0).shape
    return {
        "cameras": list(train_data.cameras),
        "image_size": height,
        "cloud": train_data.cloud.told(),
        "tasks": sorted({episode.task for episode in train_data.episodes}),
        "train_episodes": len(train_data.episodes),
        "train_keyframes": len(train_data),
        "validation_episodes": len(val_data.episodes),
        "split": "by episode: hash of task, folder and number",
        "episodes_digest": fingerprint(train_data),
        "augmentation": asdict(train_data.augmentation),
    }
