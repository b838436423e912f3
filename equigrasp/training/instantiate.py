"""Objects from blocks of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equigrasp.options import check_names


def target_of(block: Mapping[str, Any]) -> Any:
    """The class or function that a configuration block names; only this package's are allowed.

    Args:
        block: with a `_target_`.

    Raises:
        ValueError: for any other target, since a configuration could otherwise run any code; or if
            there is none of that name.
    """
    target = block.get("_target_", "") if isinstance(block, Mapping) else block
    if not isinstance(target, str) or not target.startswith("equigrasp."):
        raise ValueError(
            f"_target_ is {target!r}; only names below `equigrasp.` may be instantiated"
        )
    import hydra.utils

    try:
        found = hydra.utils.get_object(target)
    except (ImportError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"_target_ is {target!r}, which there is not: {error}") from error
    if not callable(found):
        raise ValueError(f"_target_ is {target!r}, which is no class and no function")
    return found


def instantiate(block: Mapping[str, Any], *arguments: Any) -> Any:
    """Call the `_target_` of a configuration block.

    Args:
        block: `_target_` and keyword arguments.
        arguments: that come before these.

    Raises:
        ValueError: see `target_of`; or the arguments are not those of the target.
    """
    import hydra.utils

    found = target_of(block)
    options = [name for name in block if name != "_target_"]
    check_names(found, dict.fromkeys(options), given=len(arguments))
    return hydra.utils.instantiate({**block, "_partial_": True})(*arguments)
