"""Objects prepared, and if wished inspected, by processes beside this one.

What processes are told to do stands here and not in `sim.objects.__main__`: a process that is
started does not know the module that its parent runs as a program.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from sim.objects.meshes import load_mesh
from sim.objects.spec import MeshFault, ObjectSpec

Prepared = tuple[tuple[float, float, float] | None, str]
"""Extents (m) of an object and an empty string, or None and why it cannot be used."""


def prepared(specs: Sequence[ObjectSpec], workers: int, *, check: bool) -> Iterator[Prepared]:
    """Fill the cache with objects, in their order, as far as it goes.

    Args:
        specs: of the objects.
        workers: processes; less than one is one.
        check: whether every mesh must be a watertight, outward oriented solid.

    Yields:
        What became of each. Where the caller stops or is interrupted, what is begun is finished,
        and kept in the cache.
    """
    pool = ProcessPoolExecutor(max(1, workers), mp_context=get_context("spawn"))
    try:
        with _ignored_by_those_who_start():
            found = pool.map(_checked if check else _extents, specs, chunksize=8)
        yield from found
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _ignored_by_those_who_start() -> Iterator[None]:
    """Processes that are started meanwhile ignore Ctrl-C, which is for their parent."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _extents(spec: ObjectSpec) -> Prepared:
    try:
        return spec.extents, ""
    except MeshFault as fault:
        return None, str(fault)


def _checked(spec: ObjectSpec) -> Prepared:
    try:
        mesh = load_mesh(spec)
    except MeshFault as fault:
        return None, str(fault)
    if not mesh.is_watertight or mesh.volume <= 0.0:
        return None, "is not a watertight, outward oriented solid"
    return spec.extents, ""
