"""Background loading of batches on threads.

Decoding, noise and fusion are NumPy, zlib and torch calls that release the interpreter lock, so
threads overlap them with the training step, share one cache, and hand errors on unchanged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

PREFETCH = 3
"""Batches kept ready or in work."""


class KeyedDataset(Protocol):
    """A data set whose items are a pure function of `(epoch, index)`."""

    def __len__(self) -> int:
        """Number of items."""
        ...

    def __getitem__(self, key: Any) -> dict[str, Tensor]:
        """The item of a key."""
        ...


def collate(items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack items of equal shapes: name -> (B, ...)."""
    return {name: torch.stack([item[name] for item in items]) for name in items[0]}


def load_batches(
    dataset: KeyedDataset,
    batches: Iterable[list[Any]],
    *,
    workers: int = 1,
) -> Iterator[dict[str, Tensor]]:
    """Yield collated batches in the order of `batches`, loaded ahead of use.

    Args:
        dataset: indexed by the keys found in `batches`.
        batches: key lists, one per batch.
        workers: loader threads; 0 loads in the calling thread.

    Yields:
        Dicts of tensors (B, ...).

    Raises:
        Whatever the data set raises, at the batch where it happened.
    """
    if workers == 0:
        for keys in batches:
            yield collate([dataset[key] for key in keys])
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
    pending: deque[list[Future[dict[str, Tensor]]]] = deque()
    try:
        for keys in batches:
            pending.append([pool.submit(dataset.__getitem__, key) for key in keys])
            if len(pending) > PREFETCH:
                yield collate([future.result() for future in pending.popleft()])
        while pending:
            yield collate([future.result() for future in pending.popleft()])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
