"""Every process-wide random generator as plain tensors, so that it fits a safetensors file."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from torch import Tensor


def step_generator(seed: int, step: int, rank: int) -> torch.Generator:
    """Source of the random numbers of one training step in one process, on the CPU.

    It is a function of its arguments and nothing else, so that a resumed run needs no state to
    go on as it would have.
    """
    entropy = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(entropy[0]))


def capture_random_state() -> dict[str, Tensor]:
    """Copy the states of Python's, NumPy's and torch's global generators.

    Our own code draws from explicit generators; the global ones are kept because libraries
    (dropout, initialisers) use them.

    Returns:
        Name -> 1-D CPU tensor, one entry per visible CUDA device besides the CPU ones.
    """
    version, internal, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    state = {
        "python.internal": torch.tensor(internal, dtype=torch.int64),
        "python.version": torch.tensor([version]),
        "python.gauss": torch.tensor([math.nan if gauss is None else gauss], dtype=torch.float64),
        "numpy.keys": torch.from_numpy(keys.astype(np.int64)),
        "numpy.position": torch.tensor([position, has_gauss]),
        "numpy.gauss": torch.tensor([cached], dtype=torch.float64),
        "torch.cpu": torch.get_rng_state(),
    }
    for device in range(torch.cuda.device_count()):
        state[f"torch.cuda.{device}"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Tensor]) -> None:
    """Undo `capture_random_state`: the global generators go on where they were.

    Args:
        state: what `capture_random_state` returned; CUDA states of absent devices are ignored.
    """
    gauss = float(state["python.gauss"][0])
    random.setstate(
        (
            int(state["python.version"][0]),
            tuple(state["python.internal"].tolist()),
            None if math.isnan(gauss) else gauss,
        )
    )
    position, has_gauss = state["numpy.position"].tolist()
    keys = state["numpy.keys"].numpy().astype(np.uint32)
    cached = float(state["numpy.gauss"][0])
    np.random.set_state(("MT19937", keys, position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch.cpu"])
    for device in range(torch.cuda.device_count()):
        if f"torch.cuda.{device}" in state:
            torch.cuda.set_rng_state(state[f"torch.cuda.{device}"], device)
