"""Keyframe policies. A new one is a new file here with a `KeyframePolicy` in it, and its YAML."""

from __future__ import annotations

import sys

from equigrasp.discovery import found_classes
from equigrasp.policy.models.base import KeyframePolicy


def policy_classes() -> dict[str, type[KeyframePolicy]]:
    """All kinds of policies by name, in alphabetical order."""
    return found_classes(sys.modules[__name__], KeyframePolicy)


def find_policy_class(name: str) -> type[KeyframePolicy]:
    """A kind of policy by name.

    Raises:
        ValueError: there is none of that name.
    """
    known = policy_classes()
    if name not in known:
        raise ValueError(f"no policy is called {name!r}; known policies: {', '.join(known)}")
    return known[name]
