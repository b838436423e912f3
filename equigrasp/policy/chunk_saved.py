"""Saved chunk policies: safetensors with a JSON card, like grasp models."""

from __future__ import annotations

import os

from equigrasp.devices import find_device
from equigrasp.options import check_names
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.saved import SHIPPED_POLICIES
from equigrasp.weights import fill, read_weights


def load_chunk_policy(
    path: str | os.PathLike, *, device: str = "cpu", verify: bool = True
) -> DiffusionPolicy:
    """A saved policy, in evaluation mode; `policy.card` is its JSON card.

    Args:
        path: of the .safetensors file (extension optional), of a run's folder, or a shipped name.
        device: torch device.
        verify: as for `equigrasp.load_model`.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: the card or the tensors do not describe a chunk policy, or one of another build,
            or are not what they were when saved; there is no such device.
    """
    place = find_device(device)
    target, card, tensors = read_weights(path, SHIPPED_POLICIES, verify=verify)
    options = dict(card["config"])
    name, build = options.pop("name"), options.pop("build", 0)
    if (name, build) != (DiffusionPolicy.name, DiffusionPolicy.build):
        raise ValueError(
            f"{target} is a {name} of build {build}; needed is a {DiffusionPolicy.name} of build "
            f"{DiffusionPolicy.build}: python -m equigrasp.train model=diffusion_policy data=pusht"
        )
    try:
        check_names(DiffusionPolicy, options)
        policy = DiffusionPolicy(**options)
        fill(policy, tensors, target)
    except ValueError as error:
        raise ValueError(f"{target} and its card: {error}") from error
    policy.card = card
    return policy.eval().to(place)
