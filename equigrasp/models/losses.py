"""Training losses of the grasp field.

After GIGA and EVG (arXiv 2507.18847, section on training): smoothed binary cross-entropy of quality
and occupancy, rotation error up to the gripper's symmetry, squared width error with weight 0.01.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.constants import WORKSPACE_SIZE
from equigrasp.models.base import GraspField


class GraspLoss(nn.Module):
    """Sum of the four terms; every term is a mean over what it applies to, zero if that is empty.

    Args:
        smoothing: label smoothing of the two classifications (0.1: targets 0.05 and 0.95).
        positive_weight: weight of positive grasps in the quality term.
        rotation_weight, width_weight, occupancy_weight: weights of the terms.
        conditioning_weight: weight of the pull of the raw rotation rows towards orthonormality,
            which keeps the polar decomposition away from its singular set.
    """

    def __init__(
        self,
        smoothing: float = 0.1,
        positive_weight: float = 1.0,
        rotation_weight: float = 1.0,
        width_weight: float = 0.01,
        occupancy_weight: float = 1.0,
        conditioning_weight: float = 0.01,
    ) -> None:
        super().__init__()
        if not 0.0 <= smoothing < 1.0:
            raise ValueError(f"smoothing is {smoothing}; it must lie in [0, 1)")
        self.smoothing, self.positive_weight = smoothing, positive_weight
        self.rotation_weight, self.width_weight = rotation_weight, width_weight
        self.occupancy_weight, self.conditioning_weight = occupancy_weight, conditioning_weight

    def forward(self, raw: GraspField, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Loss and its terms.

        Args:
            raw: `query_raw` at `points` (quality, rotation, width) and, in `occupancy`, at
                `occ_points`; occupancy may be None.
            batch: label (B, Q) 0/1, mask (B, Q) bool, rotations (B, Q, Y, 3, 3), yaw_success
                (B, Q, Y) bool, widths (B, Q, Y) metres, occ (B, P) 0/1.

        Returns:
            scalars "loss" (differentiable) and "quality", "rotation", "width", "conditioning",
            "occupancy" (unweighted), "positives" (number of positive points).
        """
        mask = batch["mask"].bool()
        label = batch["label"].to(raw.quality.dtype)
        positive = mask & (label > 0.5) & batch["yaw_success"].bool().any(-1)
        weight = mask * (1 + (self.positive_weight - 1) * label)
        terms = {"quality": masked_mean(self.classification(raw.quality, label), weight)}
        terms.update(self._grasp_terms(raw, batch, positive))
        loss = terms["quality"] + self.rotation_weight * terms["rotation"]
        loss = loss + self.width_weight * terms["width"]
        loss = loss + self.conditioning_weight * terms["conditioning"]
        if raw.occupancy is not None:
            occupied = batch["occ"].to(raw.occupancy.dtype)
            terms["occupancy"] = self.classification(raw.occupancy, occupied).mean()
            loss = loss + self.occupancy_weight * terms["occupancy"]
        terms = {name: value.detach() for name, value in terms.items()}
        return {"loss": loss, **terms, "positives": positive.sum().detach()}

    def classification(self, logits: Tensor, label: Tensor) -> Tensor:
        """Binary cross-entropy with smoothed targets, element by element."""
        target = label * (1 - self.smoothing) + 0.5 * self.smoothing
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none")

    def _grasp_terms(
        self, raw: GraspField, batch: Mapping[str, Tensor], positive: Tensor
    ) -> dict[str, Tensor]:
        """Rotation, width and conditioning over the positive points only."""
        from equigrasp.geometry.rotations import polar_rows

        if not positive.any():  # keeps the graph connected, so that every parameter has a gradient
            zero = 0.0 * (raw.rotation.sum() + raw.width.sum())
            return {"rotation": zero, "width": zero, "conditioning": zero}
        rows, width = raw.rotation[positive], raw.width[positive]
        targets = batch["rotations"][positive].to(rows.dtype)
        success = batch["yaw_success"][positive].bool()
        error = rotation_loss(polar_rows(rows), targets).masked_fill(~success, torch.inf)
        rotation, chosen = error.min(-1)
        target_width = batch["widths"][positive].to(width.dtype).gather(-1, chosen.unsqueeze(-1))
        scale = 40.0 / WORKSPACE_SIZE  # the published loss counts widths in voxels of a 40-cube
        width_error = ((width - target_width.squeeze(-1)) * scale) ** 2
        gram = rows @ rows.transpose(-1, -2) - torch.eye(2, dtype=rows.dtype, device=rows.device)
        return {
            "rotation": rotation.mean(),
            "width": width_error.mean(),
            "conditioning": gram.pow(2).sum((-1, -2)).mean(),
        }


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean; zero where all weights are zero."""
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)


def rotation_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """1 - cos(angle / 2) to each target, up to the half turn about the approach.

    Equals 1 - |<q, q*>| for unit quaternions.

    Args:
        predicted: (..., 3, 3).
        targets: (..., Y, 3, 3).

    Returns:
        (..., Y) in [0, 1 - cos(90 deg)].
    """
    product = (predicted.unsqueeze(-3) * targets).sum(-2)  # diagonal of R^T R*, before the turn
    x, y, z = product.unbind(-1)
    trace = z + (x + y).abs()  # the half turn about z flips the signs of columns x and y
    return 1 - ((1 + trace) / 4).clamp(min=1e-6).sqrt()
