"""Objects from blocks of a configuration."""

from __future__ import annotations

from typing import Any


def instantiate(block: dict[str, Any], *arguments: Any) -> Any:
    """Call the `_target_` of a configuration block; only this package's targets are allowed.

    Args:
        block: `_target_` and keyword arguments.
        arguments: that come before these.

    Raises:
        ValueError: for any other target, since a configuration could otherwise run any code.
    """
    import hydra.utils

    target = block.get("_target_", "")
    if not target.startswith("equigrasp."):
        raise ValueError(
            f"_target_ is {target!r}; only names below `equigrasp.` may be instantiated"
        )
    return hydra.utils.instantiate({**block, "_partial_": True, "_convert_": "all"})(*arguments)
