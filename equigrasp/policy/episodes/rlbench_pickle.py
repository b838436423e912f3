"""RLBench's pickles without RLBench, and without trusting them.

A pickle may name any function to be called. This reader knows the two classes of RLBench and what
numpy needs to rebuild arrays, and refuses everything else by name before anything is called. The
writer leaves the names that RLBench's own loader expects.
"""

from __future__ import annotations

import io
import pickle  # noqa: TID251 - only here: a reader that admits named classes alone
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from equigrasp.policy.episodes.frames import Demo, FrameState

_MULTIARRAY = "numpy.core.multiarray"  # numpy 1; numpy 2 reads it as well
_FOREIGN: dict[Any, tuple[str, str]] = {
    Demo: ("rlbench.demo", "Demo"),
    FrameState: ("rlbench.backend.observation", "Observation"),
}
_OWN = {name: cls for cls, name in _FOREIGN.items()}
_FROM_NUMPY = {("numpy", "ndarray"), ("numpy", "dtype")} | {
    (f"numpy.{package}.multiarray", name)
    for package in ("core", "_core")
    for name in ("_reconstruct", "scalar")
}
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_PROTOCOL = 4
"""Highest that Python 3.6 and 3.7, which old RLBench installations run on, can read."""


class HostilePickleError(pickle.UnpicklingError):
    """A pickle names something that no RLBench file has a use for; nothing of it was called."""


Known = Mapping[tuple[str, str], Any]
"""What names (module, name) in a pickle stand for."""


class _Reader(pickle.Unpickler):
    def __init__(
        self, file: BinaryIO, known: Known = _OWN, stored: Callable[[Any], Any] | None = None
    ) -> None:
        super().__init__(file)
        self._known, self._stored = known, stored

    def persistent_load(self, pid: Any) -> Any:
        if self._stored is None:
            raise HostilePickleError(f"it refers to {reprlib.repr(pid)}, which lies elsewhere")
        return self._stored(pid)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._known:
            return self._known[module, name]
        if (module, name) in _FROM_NUMPY:
            return _numpy_object(name)
        if name == "_frombuffer" and module in _NUMERIC:  # arrays, from protocol 5 on
            return _frombuffer
        if (module, name) == ("_codecs", "encode"):  # bytes, as Python 2 and protocol 2 write them
            return _latin1
        raise HostilePickleError(
            f"it names '{module}.{name}', which an RLBench file has no use for; it was not called. "
            "Use the file only if you know where it comes from, and convert it with RLBench"
        )


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise ValueError(f"bytes in encoding '{encoding}'")
    return text.encode(encoding)


def _frombuffer(data: bytes, dtype: Any, shape: Any, order: str) -> np.ndarray:
    """An array of plain numbers or text, as numpy's own function of that name makes it."""
    if (
        not isinstance(dtype, np.dtype)
        or dtype.hasobject
        or not isinstance(data, bytes | bytearray)
    ):
        raise ValueError("an array that is not made of plain bytes")
    return np.frombuffer(bytearray(data), dtype).reshape(shape, order="F" if order == "F" else "C")


def _numpy_object(name: str) -> Callable:
    if hasattr(np, name):
        return getattr(np, name)
    from numpy.core import multiarray

    return getattr(multiarray, name)


class _Writer(pickle._Pickler):  # the one in C does not let a class be saved under another name
    def save_global(self, obj: Any, name: str | None = None) -> None:
        foreign = _FOREIGN.get(obj)
        if foreign is None and getattr(obj, "__module__", "").startswith("numpy._core"):
            foreign = (_MULTIARRAY, obj.__name__)
        if foreign is None:
            super().save_global(obj, name)
            return
        for part in foreign:
            self.save(part)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    dispatch = {**pickle._Pickler.dispatch, type: save_global}


def loads(data: bytes) -> Any:
    """The object in a pickle of an RLBench episode.

    Raises:
        HostilePickleError: it names anything but RLBench's two classes and numpy's arrays.
        ValueError: it is torn, or no pickle.
    """
    return read_plain(io.BytesIO(data))


def read_plain(
    file: BinaryIO, known: Known = _OWN, *, stored: Callable[[Any], Any] | None = None
) -> Any:
    """The object in the next pickle of a file; what follows is left to be read.

    Args:
        file: at the beginning of a pickle.
        known: what may be named besides numpy's arrays; by default RLBench's two classes.
        stored: what references to things outside of the pickle become; None refuses them.

    Raises:
        HostilePickleError: it names something else.
        ValueError: it is torn, or no pickle.
    """
    try:
        return _Reader(file, known, stored).load()
    except HostilePickleError:
        raise
    except Exception as error:  # a torn pickle raises whatever its bytes happen to ask for
        raise ValueError(f"torn, or no pickle: {type(error).__name__}: {error}") from error


def dumps(value: Any) -> bytes:
    """A pickle that RLBench's own loader reads."""
    target = io.BytesIO()
    _Writer(target, _PROTOCOL).dump(value)
    return target.getvalue()


def load(path: Path) -> Any:
    """`loads` of a file; errors name it.

    Raises:
        FileNotFoundError, HostilePickleError, ValueError: see `loads`.
    """
    try:
        return loads(path.read_bytes())
    except HostilePickleError as error:
        raise HostilePickleError(f"{path}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
