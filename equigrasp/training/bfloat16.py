"""Whether bfloat16 pays: processors without instructions for it imitate them, many times slower."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

_TRIES = 4
_PAYS = 1.2  # slower by less than that is what other programs on the machine can make of it


def bfloat16_warning(device: torch.device) -> str | None:
    """What to tell of a training in "bf16-mixed" on a processor that is slow at it.

    Args:
        device: where it trains; other devices than a CPU are not asked.

    Returns:
        None where a convolution takes about as long as in float32, or less.
    """
    if device.type != "cpu":
        return None
    ratio = convolution_seconds(torch.bfloat16) / convolution_seconds(torch.float32)
    if ratio < _PAYS:
        return None
    return (
        f"trainer.precision=bf16-mixed is slow here: a convolution in bfloat16 takes {ratio:.1f} "
        "times as long as in float32 on this processor; trainer.precision=32-true trains faster"
    )


@torch.no_grad()
def convolution_seconds(dtype: torch.dtype) -> float:
    """Shortest time (s) of a few, for a convolution as encoders have them."""
    plane = torch.ones(1, 32, 40, 40, dtype=dtype)
    kernel = torch.ones(32, 32, 3, 3, dtype=dtype)
    found = []
    for _ in range(_TRIES):
        begun = time.perf_counter()
        F.conv2d(plane, kernel, padding=1)
        found.append(time.perf_counter() - begun)
    return min(found)
