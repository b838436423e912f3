"""What tells damaged or exchanged weights: digests that travel in the card, and sound tensors.

A card holds under `digest` a SHA-256 of the tensors and one of the configuration that made them.
Loading compares both, so that a flipped bit, an edited card or the tensors of another model are
told by name in place of planning other grasps.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

KEY = "digest"
"""Where a card keeps the digests."""

UNVERIFIED = "load with verify=False to use it all the same"


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values of tensors, whatever their order in a file."""
    import torch

    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(flat.view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def config_digest(config: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON-able configuration, whatever the order of its entries."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(card: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The card with the digests of its `config` and of these tensors."""
    digest = {"tensors": tensors_digest(tensors), "config": config_digest(card["config"])}
    return {**card, KEY: digest}


def check_seal(card: Mapping[str, Any], tensors: Mapping[str, Tensor], owner: str) -> None:
    """Compare tensors and configuration with the digests in their card.

    Cards of early versions hold none: they pass with a warning.

    Args:
        card: of the weights.
        tensors: as stored.
        owner: what the message calls the weights.

    Raises:
        ValueError: saying which of the two differs.
    """
    digest = card.get(KEY)
    if digest is None:
        warnings.warn(
            f"the card of {owner} holds no digest, as those of early versions: whether its tensors "
            f"are the ones that were trained is not known; `python scripts/seal_weights.py PATH` "
            "adds it",
            stacklevel=4,
        )
        return
    found = sealed(card, tensors)[KEY]
    if not isinstance(digest, Mapping) or set(digest) != set(found):
        raise ValueError(f"the card of {owner} has a digest without {sorted(found)}; {UNVERIFIED}")
    if digest["config"] != found["config"]:
        raise ValueError(
            f"the `config` in the card of {owner} is not the one its tensors were made with: the "
            f"card was edited; take it from where it came from, or {UNVERIFIED}"
        )
    if digest["tensors"] != found["tensors"]:
        raise ValueError(
            f"the tensors of {owner} are not those of its card: the file is damaged or belongs to "
            f"another card; take both from where they came from, or {UNVERIFIED}"
        )


def check_tensors(tensors: Mapping[str, Tensor], owner: str) -> None:
    """Refuse tensors with which every prediction would be void.

    Args:
        tensors: of a model, by name.
        owner: what the message calls them.

    Raises:
        ValueError: naming the first tensor that holds NaN or infinity; or if all are zero.
    """
    numbers = {name: t for name, t in tensors.items() if t.is_floating_point()}
    for name, tensor in numbers.items():
        if not tensor.isfinite().all():
            lost = int((~tensor.isfinite()).sum())
            raise ValueError(
                f"{name} of {owner} holds NaN or infinity in {lost} of {tensor.numel()} places: "
                "the training diverged or the file is damaged; train again or take an earlier "
                "checkpoint"
            )
    if numbers and not any(tensor.any() for tensor in numbers.values()):
        raise ValueError(f"all tensors of {owner} are zero: it was never trained or is damaged")


def check_types(tensors: Mapping[str, Tensor], model: nn.Module, owner: str) -> None:
    """Refuse whole numbers where a model has real ones, and the other way round.

    Raises:
        ValueError: naming the tensor and both types.
    """
    for name, mine in model.state_dict().items():
        theirs = tensors.get(name)
        if theirs is not None and theirs.is_floating_point() != mine.is_floating_point():
            raise ValueError(
                f"{name} of {owner} is of type {theirs.dtype}, which does not convert to the "
                f"model's {mine.dtype}; save the model again"
            )
