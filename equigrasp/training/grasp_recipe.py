"""Training of grasp models: one step encodes B scenes once each and asks many points in each."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from equigrasp.data import batch_keys as keys
from equigrasp.training.loader import KeyedDataset
from equigrasp.training.validation import validation_metrics


class TrainingStep(nn.Module):
    """Model and loss as one module, so that Fabric sees a single forward pass per step.

    Args:
        model: a grasp model.
        loss: see `GraspLoss`.
        precision: "32-true", or "bf16-mixed" to encode scenes in bfloat16. The encoder is nearly
            all of the arithmetic; heads, loss and query points stay in full precision, for rounding
            there costs accuracy and hardly saves time (which is why Fabric's own mixed precision,
            which rounds every input, is not used).
    """

    def __init__(self, model: nn.Module, loss: nn.Module, precision: str = "32-true") -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.mixed = precision == "bf16-mixed"

    def forward(self, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """Losses of a batch (by `equigrasp.data.batch_keys`); "loss" is their weighted sum."""
        tsdf = batch[keys.TSDF]
        with torch.autocast(tsdf.device.type, torch.bfloat16, enabled=self.mixed):
            features = self.model.encode(tsdf)
        if self.mixed:
            features = type(features)(*(tensor.float() for tensor in features))
        raw = self.model.training_field(
            features, batch, self.loss.num_samples, self.loss.points_per_scene, generator
        )
        return self.loss(raw, batch)


class GraspRecipe:
    """See `Recipe`.

    Args:
        loss: `(raw field, batch) -> {"loss": ..., parts}`, see `GraspLoss`.
    """

    score = "average_precision"

    def __init__(self, loss: nn.Module) -> None:
        self.loss = loss

    def step(self, model: nn.Module, precision: str) -> TrainingStep:
        """See `Recipe`."""
        return TrainingStep(model, self.loss, precision)

    def validation_metrics(
        self, model: nn.Module, dataset: KeyedDataset, *, workers: int, device: torch.device
    ) -> dict[str, float]:
        """See `Recipe`."""
        return validation_metrics(model, dataset, workers=workers, device=device)

    def summary(self, metrics: dict[str, float]) -> str:
        """See `Recipe`."""
        return (
            f"AP {metrics['average_precision']:.3f}  AUROC {metrics['auroc']:.3f}  "
            f"rotation {metrics['rotation_error_deg']:.1f} deg  "
            f"width {metrics['width_error_mm']:.1f} mm  IoU {metrics['occupancy_iou']:.3f}"
        )
