"""Training losses of the grasp field.

After GIGA and EVG (arXiv 2507.18847, section on training): smoothed binary cross-entropy of quality
and occupancy, squared width error with weight 0.01, and for the rotation either its error up to the
gripper's symmetry or, where rotations are sampled, the squared error of the velocity and the
cross-entropy of the confidence.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equigrasp.data import batch_keys as keys
from equigrasp.diffusion.batch import repeat_conditions, sample_mean
from equigrasp.models.base import GraspField

_VOXELS_PER_METRE = 40.0 / 0.30
"""Unit of the published width term: a voxel of the published grid, whatever the grid here."""
_CONDITIONING = ("frobenius", "logdet")


class GraspLoss(nn.Module):
    """Sum of the terms a model takes part in; each is a mean over what it applies to, or zero.

    Args:
        smoothing: label smoothing of the two classifications (0.1: targets 0.05 and 0.95).
        positive_weight: weight of positive grasps in the quality term.
        margin_weight: how much the margin of a success lowers what quality and confidence are to
            tell, in [0, 1]: a success that no disturbed trial repeats counts as 1 less this.
        rotation_weight, width_weight, occupancy_weight: weights of the terms.
        conditioning_weight: weight of the pull of the raw rotation rows towards orthonormality,
            which keeps the polar decomposition away from its singular set.
        conditioning: the squared error of their Gram matrix at the successes ("frobenius"), or its
            log-determinant divergence at every labelled grasp ("logdet"), which grows without
            end where the rows become dependent. Rounding of rotations grows as the inverse of
            their smaller singular value, at failures and in free space too.
        flow_weight: weight of the squared velocity error of models that sample rotations.
        confidence_weight: weight of their classification of (point, yaw) pairs.
        pose_mean: rotation, width and conditioning are means over the successes ("positives"), or
            over all grasps, of which failures have none ("all", as published).
        focal_gamma: the classification of (point, yaw) pairs counts those that are told well less,
            by (1 - p)^gamma (arXiv 1708.02002), as IGD does; 0: all alike.
        num_samples: M, noised rotations per chosen grasp point and step.
        points_per_scene: successful grasp points per scene and step whose rotations are noised.
    """

    def __init__(
        self,
        smoothing: float = 0.1,
        positive_weight: float = 1.0,
        rotation_weight: float = 1.0,
        width_weight: float = 0.01,
        occupancy_weight: float = 1.0,
        conditioning_weight: float = 0.01,
        flow_weight: float = 1.0,
        confidence_weight: float = 1.0,
        margin_weight: float = 0.5,
        pose_mean: str = "positives",
        conditioning: str = "frobenius",
        focal_gamma: float = 0.0,
        num_samples: int = 64,
        points_per_scene: int = 16,
    ) -> None:
        super().__init__()
        if num_samples < 1 or points_per_scene < 1:
            raise ValueError(
                f"num_samples is {num_samples}, points_per_scene {points_per_scene}; a step needs "
                "at least one of each"
            )
        if not 0.0 <= smoothing < 1.0:
            raise ValueError(f"smoothing is {smoothing}; it must lie in [0, 1)")
        if not 0.0 <= margin_weight <= 1.0:
            raise ValueError(f"margin_weight is {margin_weight}; it must lie in [0, 1]")
        if pose_mean not in ("positives", "all") or focal_gamma < 0:
            raise ValueError(
                f"pose_mean is {pose_mean!r}, focal_gamma {focal_gamma}; use 'positives' or 'all', "
                "and a gamma from 0"
            )
        if conditioning not in _CONDITIONING:
            raise ValueError(
                f"conditioning is {conditioning!r}; use one of {', '.join(sorted(_CONDITIONING))}"
            )
        self.conditioning = conditioning
        self.margin_weight, self.pose_mean, self.focal_gamma = margin_weight, pose_mean, focal_gamma
        self.smoothing, self.positive_weight = smoothing, positive_weight
        self.rotation_weight, self.width_weight = rotation_weight, width_weight
        self.occupancy_weight, self.conditioning_weight = occupancy_weight, conditioning_weight
        self.flow_weight, self.confidence_weight = flow_weight, confidence_weight
        self.num_samples, self.points_per_scene = num_samples, points_per_scene

    def forward(self, raw: GraspField, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Loss and its terms.

        Args:
            raw: `training_field` of a model; what it does not predict is None.
            batch: tensors by `equigrasp.data.batch_keys`; scenes and points are not read.

        Returns:
            scalars "loss" (differentiable) and, as far as they apply, "quality", "rotation",
            "width", "conditioning", "flow", "confidence", "occupancy" (unweighted), "positives"
            (number of positive points).
        """
        mask = batch[keys.MASK].bool()
        label = batch[keys.LABEL].to(raw.quality.dtype)
        positive = mask & (label > 0.5) & batch[keys.YAW_SUCCESS].bool().any(-1)
        weight = mask * (1 + (self.positive_weight - 1) * label)
        chance = self.chances(batch, raw.quality.dtype)
        best = torch.where(batch[keys.YAW_SUCCESS].any(-1), chance.amax(-1), 1.0)
        terms = {"quality": masked_mean(self.classification(raw.quality, label * best), weight)}
        if raw.flow is None:
            terms.update(self._pose_terms(raw, batch, positive))
            if self.conditioning == "logdet":
                terms["conditioning"] = masked_mean(log_determinant(raw.rotation), mask)
        else:
            terms.update(self._sampled_terms(raw, batch, mask))
        if raw.confidence is not None:
            judged = repeat_conditions(mask, chance.shape[2], levels=2)
            terms["confidence"] = masked_mean(self.focal(raw.confidence, chance), judged)
        if raw.occupancy is not None:
            occupied = batch[keys.OCC].to(raw.occupancy.dtype)
            terms["occupancy"] = self.classification(raw.occupancy, occupied).mean()
        loss = sum(self._weight(name) * term for name, term in terms.items())
        terms = {name: value.detach() for name, value in terms.items()}
        return {"loss": loss, **terms, "positives": positive.sum().detach()}

    def _weight(self, term: str) -> float:
        return 1.0 if term == "quality" else getattr(self, f"{term}_weight")

    def chances(self, batch: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        """(B, Q, K) chance of every yaw to succeed when it is not met exactly, 0 for failures."""
        lost = self.margin_weight * (1 - batch[keys.YAW_MARGIN].to(dtype))
        return batch[keys.YAW_SUCCESS].to(dtype) * (1 - lost)

    def classification(self, logits: Tensor, label: Tensor) -> Tensor:
        """Binary cross-entropy with smoothed targets, element by element."""
        target = label * (1 - self.smoothing) + 0.5 * self.smoothing
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none")

    def focal(self, logits: Tensor, label: Tensor) -> Tensor:
        """`classification`, with less weight for what is told well (arXiv 1708.02002)."""
        error = self.classification(logits, label)
        if not self.focal_gamma:
            return error
        missed = (label - torch.sigmoid(logits)).abs()  # 1 - p of a certain label
        return missed.pow(self.focal_gamma) * error

    def _pose_terms(
        self, raw: GraspField, batch: Mapping[str, Tensor], positive: Tensor
    ) -> dict[str, Tensor]:
        """Rotation, width and conditioning over the positive points only."""
        from equigrasp.geometry.rotations import polar_rows

        if not positive.any():  # keeps the graph connected, so that every parameter has a gradient
            zero = 0.0 * (raw.rotation.sum() + raw.width.sum())
            return {"rotation": zero, "width": zero, "conditioning": zero}
        rows, width = raw.rotation[positive], raw.width[positive]
        targets = batch[keys.ROTATIONS][positive].to(rows.dtype)
        success = batch[keys.YAW_SUCCESS][positive].bool()
        error = rotation_loss(polar_rows(rows), targets).masked_fill(~success, torch.inf)
        rotation, chosen = error.min(-1)
        target_width = batch[keys.WIDTHS][positive].to(width.dtype).gather(-1, chosen.unsqueeze(-1))
        share = 1.0
        if self.pose_mean == "all":
            share = len(rows) / batch[keys.MASK].sum().clamp(min=1)
        return {
            "rotation": share * rotation.mean(),
            "width": share * width_error(width, target_width.squeeze(-1)).mean(),
            "conditioning": share * frobenius(rows).mean(),
        }

    def _sampled_terms(
        self, raw: GraspField, batch: Mapping[str, Tensor], mask: Tensor
    ) -> dict[str, Tensor]:
        """Velocity at noised rotations; width at every labelled yaw."""
        success = batch[keys.YAW_SUCCESS].bool() & mask.unsqueeze(-1)
        target_width = batch[keys.WIDTHS].to(raw.width.dtype)
        error = (raw.flow.velocity - raw.flow.target).pow(2).sum(-1)
        return {
            "flow": sample_mean(error),
            "width": masked_mean(width_error(raw.width, target_width), success),
        }


def frobenius(rows: Tensor) -> Tensor:
    """Squared distance (...) of the Gram matrices of rows (..., 2, 3) from the identity."""
    gram = rows @ rows.transpose(-1, -2)
    return (gram - torch.eye(2, dtype=rows.dtype, device=rows.device)).square().sum((-1, -2))


def log_determinant(rows: Tensor) -> Tensor:
    """Divergence tr G - log det G - 2 (...) of the Gram matrices G of rows (..., 2, 3).

    Burg's matrix divergence from the identity (Kulis et al. 2009, Low-Rank Kernel Learning with
    Bregman Matrix Divergences, section 3): 0 for orthonormal rows, infinite for dependent ones. The
    determinant is taken from the cross product, and 1e-8 is added to it.
    """
    rows = rows.float() if rows.dtype in (torch.bfloat16, torch.float16) else rows
    area = torch.linalg.cross(rows[..., 0, :], rows[..., 1, :]).square().sum(-1)
    return rows.square().sum((-1, -2)) - (area + 1e-8).log() - 2


def width_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Squared error of openings (...) in metres, counted in voxels of the published grid."""
    return ((predicted - target) * _VOXELS_PER_METRE) ** 2


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
