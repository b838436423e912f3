"""Keyframe items as tensors of equal shapes, and batches of them as a policy takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from equigrasp.policy.keyframes.clouds import pad_clouds
from equigrasp.policy.keyframes.dataset import KeyframeDataset
from equigrasp.policy.keyframes.policy_io import Actions, Observations, pad_past
from equigrasp.policy.keyframes.rewording import draw_unknown, reworded


class KeyframeBatches:
    """Items by key (epoch, index), a pure function of key and seed (see `KeyedDataset`).

    An item holds xyz (P, 3), rgb (P, 3) and mask (P,) of the cloud, state (8,), position (3,),
    rotation (3, 3), bins (3,), open, and the numbers of its sentence, of its task and of the
    keyframe in its episode; where the policy reads earlier keyframes, `past` (K, 8) and
    `past_mask` (K,) besides; where some words are to be unknown, `unknown` (2, W).

    Args:
        data: items as arrays.
        sentences: all that may occur; items hold the place in this list.
        seed: the random numbers of an item follow from it and the item's key.
        past: K, so many of the latest keyframes are kept in an item.
    """

    def __init__(
        self, data: KeyframeDataset, sentences: Sequence[str], seed: int = 0, *, past: int = 0
    ) -> None:
        self.data, self.seed, self.past = data, seed, past
        self.sentences = {sentence: number for number, sentence in enumerate(sentences)}
        self.tasks = sorted({episode.task for episode in data.episodes})

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        """The item of a key (epoch, index)."""
        random, changed = None, self.data.augmentation
        if changed is not None:
            random = np.random.default_rng([self.seed, *key])
        item = self.data.item(key[1], random)
        xyz, rgb, mask = (rows[0] for rows in pad_clouds([item.cloud], self.data.cloud.most))
        arrays = {
            "xyz": xyz,
            "rgb": rgb,
            "mask": mask,
            "state": item.state,
            "position": item.position,
            "rotation": item.rotation,
            "bins": item.bins,
            "open": np.float32(item.open),
            "sentence": np.int64(self.sentences[item.sentence]),
            "task": np.int64(self.tasks.index(item.task)),
            "step": np.int64(len(item.past)),
        }
        if self.past:
            arrays["past"], arrays["past_mask"] = pad_past(item.past, self.past)
        if changed is not None and changed.words:
            arrays["unknown"] = draw_unknown(changed.words, random)
        return {name: torch.as_tensor(array) for name, array in arrays.items()}


def observations(batch: dict[str, Tensor], sentences: Sequence[str]) -> Observations:
    """What is seen and asked for in a batch of items.

    Args:
        batch: items by name, as `KeyframeBatches` gives them, with a leading axis B.
        sentences: all that may occur, in the order that `KeyframeBatches` had them.
    """
    said = [sentences[number] for number in batch["sentence"].tolist()]
    if "unknown" in batch:
        masks = batch["unknown"].cpu().numpy()
        said = [reworded(sentence, mask) for sentence, mask in zip(said, masks, strict=True)]
    seen = (batch[name] for name in ("xyz", "rgb", "mask", "state"))
    return Observations(*seen, said, batch.get("past"), batch.get("past_mask"))


def actions(batch: dict[str, Tensor]) -> Actions:
    """The next keyframes of a batch of items, as `KeyframeBatches` gives them."""
    return Actions(batch["position"], batch["bins"], batch["open"])
