"""Training items on disk, made once for all runs that draw the same ones.

Items are a pure function of settings, seed, epoch and scene. Where several models are trained on
the same data at the same time, or one after the other, the noise and the fusion of an item need to
be computed once only. Runs share a folder; each loader makes what nobody has begun yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.files import atomic_path
from equigrasp.imports import closure, read_sources

LEAST_FREE = 0.05
"""Share of the disk that stays free: beyond it items are made and not kept."""

_LEVEL = 1  # of zlib: a fifth of the bytes at a tenth of the cost of making an item
_POLL = 0.002  # s
_PATIENCE = 20.0  # s, after which an item that another process has begun is made here


class StoredItems:
    """Items of a data set, kept in a folder; a keyed data set like the one that it wraps.

    Args:
        dataset: makes what is not there.
        folder: shared by runs and processes. Items of other draws, seeds, scenes or code lie in
            other folders below it. It can be deleted at any time when no run uses it.
    """

    def __init__(self, dataset: GraspSceneDataset, folder: str | Path) -> None:
        self.dataset = dataset
        self.folder = Path(folder) / _draws_digest(dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Items of several keys, in their order; other processes make some of them meanwhile.

        Args:
            keys: pairs (epoch, scene).
        """
        made: dict[tuple[int, int], dict[str, Tensor]] = {}
        for key in random.sample(list(keys), len(keys)):  # not the order in which others go
            if not self._path(key).exists() and self._begin(key):
                made[key] = self._make(key)
        return [made[key] if key in made else self._found(key) for key in keys]

    def _path(self, key: tuple[int, int]) -> Path:
        epoch, index = key
        return self.folder / str(epoch) / f"{index}.z"

    def _begin(self, key: tuple[int, int]) -> bool:
        """Whether this process is the first to make an item."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(path.with_suffix(".begun"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        return True

    def _make(self, key: tuple[int, int]) -> dict[str, Tensor]:
        from safetensors.torch import save

        item = self.dataset[key]
        usage = shutil.disk_usage(self.folder)
        if usage.free > LEAST_FREE * usage.total:
            whole = {name: tensor.contiguous() for name, tensor in item.items()}
            with atomic_path(self._path(key), sync=False) as unfinished:
                unfinished.write_bytes(zlib.compress(save(whole), _LEVEL))
        with contextlib.suppress(FileNotFoundError):
            self._path(key).with_suffix(".begun").unlink()
        return item

    def _found(self, key: tuple[int, int]) -> dict[str, Tensor]:
        """An item from its file, made here if its maker does not come to an end."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        path, begun = self._path(key), self._path(key).with_suffix(".begun")
        start = time.monotonic()
        while not path.exists() and begun.exists() and time.monotonic() < start + _PATIENCE:
            time.sleep(_POLL)
        with contextlib.suppress(FileNotFoundError, zlib.error, SafetensorError):
            return load(zlib.decompress(path.read_bytes()))
        return self._make(key)


def _draws_digest(dataset: GraspSceneDataset) -> str:
    """Equal for data sets whose items are equal."""
    facts: dict[str, Any] = {
        "draws": asdict(dataset.settings),
        "seed": dataset.seed,
        "scenes": dataset.fingerprint(),
        "dirs": [str(folder.resolve()) for folder in dataset.dirs],
        "code": _code_digest(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Of all modules that the making of an item runs."""
    folder = Path(__file__).resolve().parents[1]
    sources = read_sources(folder, folder.parent)
    names = sorted(closure([GraspSceneDataset.__module__], sources))
    text = "".join(name + sources[name].text for name in names)
    return hashlib.sha256(text.encode()).hexdigest()
