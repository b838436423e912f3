"""Published GIGA checkpoints: which of their tensors is which of ours.

A checkpoint is a state dict saved by torch (a file named like `vgn_giga_packed_best.pt`). Ours has
the same module names, except for what `KEY_MAP` lists.

    checkpoint                                   ours
    encoder.conv_in.*                            the same
    encoder.unet.down_convs.I.conv{1,2}.*        the same
    encoder.unet.up_convs.I.{upconv,conv1,conv2}.*   the same
    encoder.unet.conv_final.*                    the same
    decoder_{qual,rot,width,tsdf}.fc_p.*         the same
    decoder_*.fc_c.I.*, decoder_*.fc_out.*       the same
    decoder_*.blocks.I.fc_{0,1}.*                the same
    module.*                                     without "module." (saved from DataParallel)

Checkpoints without `decoder_tsdf` ("giga_aff") and the variants of later repositories, whose UNet
has deformable layers, are other networks and are refused with the names that differ.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from equigrasp.models.giga import GIGA

KEY_MAP = {"module.": ""}
"""Prefixes of checkpoint keys and what takes their place."""

_SHOWN = 5


def load_published_giga(path: str | os.PathLike) -> GIGA:
    """GIGA with the weights of a published checkpoint.

    Args:
        path: file saved by `torch.save(net.state_dict(), path)`; nothing in it is executed.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no state dict, or one of another network; the message names what is
            missing, unexpected, of another shape, or holds no finite numbers.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no checkpoint at {str(file)!r}")
    try:  # weights_only admits tensors and plain containers, nothing that runs code
        stored = torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251
    except Exception as error:  # of a damaged file torch raises whatever its reader runs into
        # the error's own text, which recommends unsafe loading, stays in the chain
        raise ValueError(
            f"{file.name} is no file of tensors alone ({type(error).__name__}); save the state "
            "dict of the network, not the network, or fetch a damaged file again"
        ) from error
    if not isinstance(stored, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in stored.items()
    ):
        raise ValueError(f"{file.name} holds no state dict; save `net.state_dict()`")
    tensors = {_renamed(key): value for key, value in stored.items()}
    model = GIGA()
    own = model.state_dict()
    faults = {
        "missing": sorted(own.keys() - tensors.keys()),
        "unexpected": sorted(tensors.keys() - own.keys()),
        "of another shape": [
            f"{key} {tuple(tensors[key].shape)} instead of {tuple(own[key].shape)}"
            for key in sorted(own.keys() & tensors.keys())
            if tensors[key].shape != own[key].shape
        ],
        "not of finite numbers": sorted(key for key in tensors if not _is_finite(tensors[key])),
    }
    if any(faults.values()):
        told = "; ".join(f"{kind}: {_listed(names)}" for kind, names in faults.items() if names)
        raise ValueError(f"{file.name} is no checkpoint of GIGA: {told}")
    model.load_state_dict(tensors)
    return model


def _renamed(key: str) -> str:
    for prefix, instead in KEY_MAP.items():
        if key.startswith(prefix):
            return instead + key[len(prefix) :]
    return key


def _is_finite(value: Tensor) -> bool:
    plain = value.is_floating_point() and value.layout is torch.strided
    return plain and bool(value.isfinite().all())


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
