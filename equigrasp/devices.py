"""The one door for devices: a name in, a torch device that is there out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


def known_devices() -> list[str]:
    """Names of the devices of this machine."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def find_device(name: str | torch.device) -> torch.device:
    """The device of a name.

    Args:
        name: for instance "cpu", "cuda", "cuda:1".

    Raises:
        ValueError: there is no such device; the message lists those there are.
    """
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("holds no values")
        torch.empty(0, device=device)
    # All that torch raises: an unknown name, a build without CUDA, a backend it lacks, no name.
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ValueError(
            f"there is no device {name!r} here; this machine has {', '.join(known_devices())}"
        ) from error
    return device


@contextlib.contextmanager
def exact_convolutions() -> Iterator[None]:
    """Have GPUs convolve in the precision of the tensors; also a decorator.

    By default cuDNN rounds what it multiplies to ten bits (TF32), by which turned scenes differ by
    some 1e-4 in quality. Networks of our size gain nothing from that.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
