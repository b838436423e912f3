"""Background loading of batches, on threads or in processes of their own.

Decoding, noise and fusion are NumPy, zlib and torch calls that release the interpreter lock, so
threads overlap them with the training step, share one cache, and hand errors on unchanged. A GPU
that makes tens of steps a second wants more than threads can make: processes do, each with a cache
of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

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
    processes: int = 0,
) -> Iterator[dict[str, Tensor]]:
    """Yield collated batches in the order of `batches`, loaded ahead of use.

    Args:
        dataset: indexed by the keys found in `batches`.
        batches: key lists, one per batch.
        workers: loader threads; 0 loads in the calling thread.
        processes: loader processes, in place of threads; each makes whole batches.

    Yields:
        Dicts of tensors (B, ...).

    Raises:
        Whatever the data set raises, at the batch where it happened.
    """
    if processes > 0:
        yield from _from_processes(dataset, batches, processes)
        return
    if workers == 0:
        for keys in batches:
            yield collate([dataset[key] for key in keys])
        return
    pool = _loader_threads(workers)
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


def _loader_threads(workers: int) -> ThreadPoolExecutor:
    """Threads that compute on one core each.

    Torch gives every thread that uses it a team of one thread per core. A second team takes the
    cores from the first, whose members wait for each other: on two cores a training step took
    1.4 times as long.
    """
    begun = threading.Barrier(workers + 1)

    def alone() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # the first to ask in a thread takes over the rule, as it is then
        begun.wait()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="loader", initializer=alone)
    for _ in range(workers):  # a thread begins when there is work and none is idle
        pool.submit(int)
    begun.wait()
    # What one thread says of itself, threads to come take for the rule: say what holds here.
    torch.set_num_threads(torch.get_num_threads())
    return pool


def _from_processes(
    dataset: KeyedDataset, batches: Iterable[list[Any]], processes: int
) -> Iterator[dict[str, Tensor]]:
    loader = DataLoader(
        _Outcomes(dataset),  # type: ignore[arg-type]  # keyed by pairs
        batch_sampler=batches,
        num_workers=processes,
        collate_fn=_Outcomes.collated,
        prefetch_factor=PREFETCH,
        # Forking a process that holds a GPU and threads is not safe.
        multiprocessing_context="forkserver",
    )
    for outcome in loader:
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome


class _Outcomes:
    """Items of a data set, or the error that they met: torch would wrap it in a traceback."""

    def __init__(self, dataset: KeyedDataset) -> None:
        self.dataset = dataset

    def __getitems__(self, keys: list[Any]) -> list[dict[str, Tensor]] | Exception:
        try:
            several = getattr(self.dataset, "__getitems__", None)
            return several(keys) if several else [self.dataset[key] for key in keys]
        except Exception as error:
            return error

    @staticmethod
    def collated(
        items: list[dict[str, Tensor]] | Exception,
    ) -> dict[str, Tensor] | Exception:
        return items if isinstance(items, Exception) else collate(items)
