"""Turn steerable models into plain torch."""

from __future__ import annotations

import copy

from torch import nn


def freeze(model: nn.Module) -> nn.Module:
    """Copy of `model` in evaluation mode with every steerable layer expanded to a torch layer.

    The copy has no gradients, gives the same outputs to rounding, and needs neither escnn nor the
    kernel bases. The original is left as it is.
    """
    frozen = _expand(copy.deepcopy(model)).eval()
    return frozen.requires_grad_(False)


def _expand(module: nn.Module) -> nn.Module:
    if hasattr(module, "to_plain"):
        return module.to_plain()
    for name, child in module.named_children():
        setattr(module, name, _expand(child))
    return module
