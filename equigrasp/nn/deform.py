"""Deformable 3x3 convolutions whose offsets and weights turn with the scene.

The nine taps of a kernel are permuted by the group, so free offsets would break the symmetry.
Offsets that transform with the taps keep it: the tap and its offset are moved together. Writing
each tap's offset in a frame that turns with the tap makes those offsets regular fields:

* ``full``: 18 offsets and 9 modulation weights per pixel, the most general equivariant choice;
* ``orbit``: one shift for all taps and one scaling each for edges and corners, as published
  (Equivariant Volumetric Grasping, arXiv 2507.18847), without modulation. The scalings may also
  shrink the kernel, since a rectified scaling has no gradient at its zero start;
* ``published``: the same as in the published code, for the table plane: scalings are rectified, so
  that they only dilate, a third one is predicted and not used, and offsets start at random.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.steerable import convolution

TAPS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
"""Kernel taps in the order in which torch flattens a 3x3 filter."""

DEFORM_MODES = ("none", "orbit", "full", "published")


class DeformableConv(nn.Module):
    """Deformable steerable 3x3 convolution; starts as the ordinary one unless "published".

    Args:
        source, target: field types of input and output.
        bank: where kernel bases come from.
        mode: "orbit", "full" or "published".
        bias, gain: as for `steerable.convolution`.
    """

    def __init__(
        self,
        source: FieldType,
        target: FieldType,
        bank: BasisBank,
        mode: str,
        *,
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.conv = convolution(source, target, 3, bank, bias=bias, gain=gain)
        field, offset, mask = offset_maps(source.group, mode)
        self.predict = convolution(source, field, 3, bank)
        self.rectified = mode == "published"
        if not self.rectified:
            for parameter in self.predict.parameters():
                nn.init.zeros_(parameter)
        self.register_buffer("offset_map", offset, persistent=False)
        self.register_buffer("mask_map", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of type `source` -> (B, C', H, W) of type `target`."""
        raw = self.predict(x)
        if self.rectified:
            raw = torch.cat([raw[:, :2], F.relu(raw[:, 2:])], 1)
        offsets = torch.einsum("tc,bchw->bthw", self.offset_map, raw)
        taps = sample_taps(x, offsets)
        if self.mask_map is not None:
            mask = 2 * torch.sigmoid(torch.einsum("tc,bchw->bthw", self.mask_map, raw))
            taps = taps * mask.unsqueeze(1)
        weight, bias = expanded(self.conv)
        out = weight.flatten(1) @ taps.flatten(3).flatten(1, 2)
        out = out.unflatten(2, x.shape[2:])
        return out if bias is None else out + bias.view(-1, 1, 1)


def expanded(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Filter and bias of a steerable or an ordinary convolution."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight, layer.bias
    return layer.filter(), layer.channel_bias()


def sample_taps(x: Tensor, offsets: Tensor) -> Tensor:
    """Read the nine shifted neighbours of every pixel by bilinear interpolation, zero outside.

    Args:
        x: (B, C, H, W).
        offsets: (B, 18, H, W) in pixels; for each tap its shift along H, then along W.

    Returns:
        (B, C, 9, H, W).
    """
    batch, channels, height, width = x.shape
    # Mixed precision brings one of both in bfloat16, which has eight bits for a fraction.
    exact = torch.promote_types(torch.promote_types(x.dtype, offsets.dtype), torch.float32)
    x, shifts = x.to(exact), offsets.to(exact).unflatten(1, (9, 2))
    # A coordinate in pixels, or worse a normalised one, is rounded by some 1e-6 of a pixel, and by
    # other amounts in a turned scene. The fraction of an offset is as exact as the offset.
    whole = shifts.detach().floor()
    down, right = (shifts - whole).unbind(2)
    corners = _corners(whole.long(), height, width)
    weights = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
    pixels = F.pad(x, (1, 1, 1, 1)).flatten(2).transpose(1, 2)
    first = torch.arange(batch, device=x.device).view(-1, 1, 1, 1, 1) * pixels.shape[1]
    rows, shares = (corners + first).flatten(0, 3), torch.stack(weights, -1).flatten(0, 3)
    if torch.compiler.is_compiling():  # ONNX turns bags into a loop over single taps
        taps = (pixels.flatten(0, 1)[rows] * shares.unsqueeze(-1)).sum(1)
    else:  # never holds the four pixels of all taps at once
        taps = F.embedding_bag(rows, pixels.flatten(0, 1), per_sample_weights=shares, mode="sum")
    return taps.view(batch, 9, height, width, channels).permute(0, 4, 1, 2, 3)


def _corners(whole: Tensor, height: int, width: int) -> Tensor:
    """Flat indices (B, 9, H, W, 4) of the pixels around each tap, in a plane framed by zeros.

    Args:
        whole: whole pixels (B, 9, 2, H, W) by which the taps are moved.
        height, width: H and W without the frame.
    """
    taps = torch.tensor(TAPS, device=whole.device).view(1, 9, 2, 1, 1)
    rows = torch.arange(1, height + 1, device=whole.device).view(-1, 1)
    columns = torch.arange(1, width + 1, device=whole.device)
    moved = (whole + taps).unbind(2)
    up, left = moved[0] + rows, moved[1] + columns
    return torch.stack(
        [
            row.clamp(0, height + 1) * (width + 2) + column.clamp(0, width + 1)
            for row in (up, up + 1)
            for column in (left, left + 1)
        ],
        -1,
    )


def offset_maps(group: str, mode: str) -> tuple[FieldType, Tensor, Tensor | None]:
    """Field type of the predicted numbers and the constant maps to offsets and modulation.

    Returns:
        type, map (18, channels) to the offsets of the taps, map (9, channels) to the logits of the
        modulation or None.
    """
    if mode not in DEFORM_MODES[1:]:
        raise ValueError(f"deformation mode is {mode!r}; use one of {DEFORM_MODES}")
    if mode == "published" and group != "C4":
        raise ValueError(
            "the published steerable deformation is one of the table plane; use deform_side=full, "
            "orbit or none"
        )
    if mode in ("orbit", "published"):
        field = _orbit_type(group, spare=int(mode == "published"))
        return field, _orbit_offsets(group, field), None
    field, entries, weights = {"C4": _full_turn, "C2": _full_mirror, "C1": _full_free}[group]()
    offset, mask = torch.zeros(9, 2, field.channels), torch.zeros(9, field.channels)
    for tap, axis, channel, sign in entries:
        offset[TAPS.index(tap), axis, channel] = sign
    for tap, channel in weights:
        mask[TAPS.index(tap), channel] = 1.0
    return field, offset.flatten(0, 1), mask


def _orbit_type(group: str, spare: int = 0) -> FieldType:
    if group == "C4":
        return FieldType("C4", vector=1, trivial=2 + spare)
    return FieldType("C2", vector=1, trivial=3) if group == "C2" else FieldType("C1", trivial=4)


def _orbit_offsets(group: str, field: FieldType) -> Tensor:
    """Shift (first two channels) plus scalings of edges and corners (last two)."""
    offset = torch.zeros(9, 2, field.channels)
    offset[:, 0, 0] = offset[:, 1, 1] = 1.0
    for index, tap in enumerate(TAPS):
        if tap != (0, 0):
            offset[index, :, 2 if 0 in tap else 3] = torch.tensor(tap, dtype=torch.float32)
    return offset.flatten(0, 1)


def _full_turn():
    """C4: regular fields for edges and corners (radial, tangential, weight); centre apart."""
    field = FieldType("C4", regular=6, vector=1, trivial=1)
    entries = [((0, 0), 0, 24, 1.0), ((0, 0), 1, 25, 1.0)]
    weights = [((0, 0), 26)]
    for orbit, tap in enumerate([(1, 0), (1, 1)]):
        first, second = (1, 0), (0, 1)
        for turn in range(4):
            for axis in (0, 1):
                entries.append((tap, axis, 8 * orbit + turn, float(first[axis])))
                entries.append((tap, axis, 8 * orbit + 4 + turn, float(second[axis])))
            weights.append((tap, 16 + 4 * orbit + turn))
            tap, first, second = _turn(tap), _turn(first), _turn(second)
    return field, [e for e in entries if e[3]], weights


def _turn(v: tuple[int, int]) -> tuple[int, int]:
    return (-v[1], v[0])


def _full_mirror():
    """C2: mirrored pairs are regular; the middle column has odd and even components."""
    field = FieldType("C2", regular=9, vector=3, trivial=6)
    entries, weights = [], []
    for row, z in enumerate((-1, 0, 1)):
        for mirrored, u in enumerate((1, -1)):
            entries.append(((u, z), 0, 6 * row + mirrored, float(u)))
            entries.append(((u, z), 1, 6 * row + 2 + mirrored, 1.0))
            weights.append(((u, z), 6 * row + 4 + mirrored))
        entries.append(((0, z), 0, 18 + row, 1.0))
        entries.append(((0, z), 1, 21 + 2 * row, 1.0))
        weights.append(((0, z), 22 + 2 * row))
    return field, entries, weights


def _full_free():
    """No symmetry: every offset and weight has its own channel, as in DCNv2."""
    entries = [(tap, axis, 2 * k + axis, 1.0) for k, tap in enumerate(TAPS) for axis in (0, 1)]
    return FieldType("C1", trivial=27), entries, [(tap, 18 + k) for k, tap in enumerate(TAPS)]
