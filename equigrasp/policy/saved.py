"""Saved policies: safetensors with a JSON card, like grasp models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from equigrasp.devices import find_device
from equigrasp.options import check_names
from equigrasp.policy.models import find_policy_class
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.weights import SHIPPED, fill, find_weights, read_weights

SHIPPED_POLICIES = SHIPPED / "policies"
"""Folder of the policies that come with the package."""


def find_policy(name_or_path: str | os.PathLike) -> tuple[Path, Path]:
    """Paths of the tensors and of the card of a shipped or saved policy.

    Raises:
        FileNotFoundError: nothing there; the message lists what is shipped.
    """
    return find_weights(name_or_path, SHIPPED_POLICIES)


def load_policy(
    path: str | os.PathLike,
    *,
    clip: str | Path | None = None,
    device: str = "cpu",
    kind: type[KeyframePolicy] | None = None,
    verify: bool = True,
) -> KeyframePolicy:
    """A saved policy, in evaluation mode; `policy.card` is its JSON card.

    Args:
        path: of the .safetensors file (extension optional), of a run's folder, or a shipped name.
        clip: folder of CLIP's text weights, for a policy that was trained with them.
        device: torch device.
        kind: class of a policy of one's own; by default the one of the name in the card.
        verify: as for `equigrasp.load_model`.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: the card or the tensors do not describe a policy, or one of another build, or
            are not what they were when saved; the policy was trained with other text weights than
            `clip` holds; there is no such device.
    """
    place = find_device(device)
    target, card, tensors = read_weights(path, SHIPPED_POLICIES, verify=verify)
    options = dict(card["config"])
    name = options.pop("name")
    kind = kind or find_policy_class(name)
    build = options.pop("build", 1)
    if build != kind.build:
        raise ValueError(
            f"{target} is of build {build} of {kind.name}, whose weights would mean something else "
            f"in build {kind.build}; train it again"
        )
    text = options.pop("text", None)
    words = _words(text, clip, target)
    try:
        check_names(kind, options, given=1)
        policy = kind(words, **options)
        if "clip" in text:
            policy.text.check(text)
        fill(policy, tensors, target)
    except ValueError as error:
        raise ValueError(f"{target} and its card: {error}") from error
    policy.card = card
    return policy.eval().to(place)


def _words(text: Any, clip: str | Path | None, target: Path) -> Vocabulary | str | Path:
    """What the policy's constructor makes a text encoder of."""
    if not isinstance(text, dict) or not {"vocabulary", "clip"} & set(text):
        raise ValueError(
            f"the card of {target} does not tell with what it understands sentences: its config "
            "has no `text` with a `vocabulary` or `clip`"
        )
    if "vocabulary" in text:
        return Vocabulary(text["vocabulary"])
    if clip is None:
        raise ValueError(
            f"{target} was trained with CLIP's text weights ({text['clip']}), which do not travel "
            "with it; give their folder as clip=DIR"
        )
    return clip
