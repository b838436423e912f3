"""What every grasp model offers: encode a scene once, query it anywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Generator, Tensor, nn

from equigrasp.data import batch_keys as keys
from equigrasp.geometry.rotations import polar_rows, quaternion_to_matrix
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.tsdf import check_encoding
from equigrasp.workspace import WORKSPACE, Workspace

GRASP_OUTPUTS = ("quality", "rotation", "width")
"""What makes a grasp: what `query` gives unless asked for something else."""

OUTPUTS = (*GRASP_OUTPUTS, "occupancy")
"""What models predict as a rule."""


LIMITS = {
    "resolution": (2, 256),
    "query_setback": (-0.1, 0.1),
    "workspace_side": (0.01, 10.0),
    "table_height": (-10.0, 10.0),
}
"""(smallest, largest) of the options that every model has, see `equigrasp.options`."""


class FlowTerms(NamedTuple):
    """Predicted and true velocities (P, M, d) of M noised rotations at P grasp points."""

    velocity: Tensor
    target: Tensor


class GraspField(NamedTuple):
    """Predictions at Q points of B scenes; what was not asked for is None.

    From `query`: quality (B, Q) in [0, 1], rotation (B, Q, 3, 3) gripper-to-workspace, width (B, Q)
    in metres, occupancy (B, Q) in [0, 1]. From `query_raw`: logits of quality and occupancy, the
    unconstrained first two rows of the rotation (B, Q, 2, 3), the unclamped width in metres.

    Models that sample rotations add confidence (B, Q) in [0, 1], the probability that this very
    rotation succeeds at a point where some rotation does. In training (`training_field`) their
    width and confidence have one value per labelled yaw, and `flow` holds velocities.
    """

    quality: Tensor | None = None
    rotation: Tensor | None = None
    width: Tensor | None = None
    occupancy: Tensor | None = None
    confidence: Tensor | None = None
    flow: FlowTerms | None = None


class GraspModel(nn.Module, ABC):
    """Base of grasp models; subclasses provide `encode` and `query_raw`.

    A subclass has a `name`, and records its constructor's arguments with
    `equigrasp.options.records_options`, so that it can be built again from its card.

    Args:
        resolution: voxels per side of the TSDF it takes.
        encoding: TSDF encoding it was made for, "full" or "published".
        query_setback: distance in metres by which the query point lies behind the tip, against the
            approach; the grasp at tip position t with approach a is read at t - query_setback * a.
        hand: what it predicts grasps for, a `Hand` or its entries.
        workspace_side: side of the cube it looks at, metres.
        table_height: of the table over the cube's floor, metres.

    Attributes:
        hand, workspace: of these arguments.
        options: arguments of the constructor, JSON-able, as recorded.

    Raises:
        ValueError: naming the value and its limits.
    """

    name: ClassVar[str] = ""
    outputs: ClassVar[tuple[str, ...]] = OUTPUTS
    """What `query` can be asked for."""
    options: dict[str, Any]
    samples_rotations: ClassVar[bool] = False
    """Whether rotations are sampled, see `equigrasp.models.sampling`; `query_raw` then takes
    `num_samples`, `generator` and `noise`."""

    def __init__(
        self,
        resolution: int,
        encoding: str,
        query_setback: float,
        hand: Hand | Mapping[str, Any] = PANDA,
        workspace_side: float = WORKSPACE.side,
        table_height: float = WORKSPACE.table_height,
    ) -> None:
        super().__init__()
        self.hand = Hand.of(hand)
        self.workspace = Workspace(workspace_side, table_height, resolution)
        check_encoding(encoding)
        if not -0.1 <= query_setback <= 0.1:
            raise ValueError(
                f"query_setback is {query_setback} m; it must lie within 0.1 m of the tip"
            )
        self.encoding, self.query_setback = str(encoding), float(query_setback)

    @property
    def resolution(self) -> int:
        """Voxels per side of the TSDF it takes."""
        return self.workspace.resolution

    @property
    def config(self) -> dict[str, Any]:
        """Name and options, JSON-able: enough to build the same model again.

        Raises:
            TypeError: the class does not record its options.
        """
        if "options" not in self.__dict__:
            raise TypeError(
                f"{type(self).__name__} does not know its options; decorate it with "
                "@records_options() of equigrasp.options"
            )
        config = {"name": self.name, **self.options}
        # a hand may have been given by some of its entries, or with folders of this machine
        return config | {"hand": self.hand.to_dict()} if "hand" in config else config

    @property
    def exact(self) -> bool:
        """Whether the model claims to commute with quarter turns."""
        return False

    @abstractmethod
    def encode(self, tsdf: Tensor) -> NamedTuple:
        """Features of scenes given as TSDF (B, N, N, N); batch first in every tensor."""

    @abstractmethod
    def query_raw(
        self, features: NamedTuple, points: Tensor, outputs: tuple[str, ...]
    ) -> GraspField:
        """Unbounded predictions for the losses at points (B, Q, 3), normalised to [-0.5, 0.5]."""

    def query(
        self,
        features: NamedTuple,
        points: Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
        *,
        chunk: int = 8192,
        num_samples: int = 1,
        generator: Generator | None = None,
        noise: Tensor | None = None,
    ) -> GraspField:
        """Predictions at points (B, Q, 3), normalised to [-0.5, 0.5]; only the `outputs` asked for.

        Without gradients the points are processed `chunk` at a time, which bounds memory and does
        not change the result.

        Args:
            features: what `encode` returned.
            points: (B, Q, 3).
            outputs: names from the model's `outputs`.
            chunk: points at a time.
            num_samples: rotations sampled per point, of which the most confident is returned; a
                model that does not sample has one answer whatever the number.
            generator: source of these samples, on the CPU; None stands for one seeded with 0, so
                that equal questions get equal answers.
            noise: (B, Q, num_samples, ...) states to start from in place of the generator's, as
                `prior` returns them; turned with the scene, they give turned rotations.

        Raises:
            ValueError: points of another shape or an unknown output.
        """
        check_points(points, outputs, self.outputs)
        pieces = [points] if torch.is_grad_enabled() else points.split(max(chunk, 1), 1)
        options: list[dict[str, Any]] = [{} for _ in pieces]
        if self.samples_rotations:
            generator = generator or Generator().manual_seed(0)
            common = {"num_samples": num_samples, "generator": generator}
            starts = [None] * len(pieces)
            if noise is not None:
                starts = noise.split([piece.shape[1] for piece in pieces], 1)
            options = [{**common, "noise": start} for start in starts]
        parts = [
            self.finish(self.query_raw(features, piece, outputs, **option))
            for piece, option in zip(pieces, options, strict=True)
        ]
        if len(parts) == 1:
            return parts[0]
        return GraspField(
            *(None if p[0] is None else torch.cat(p, 1) for p in zip(*parts, strict=True))
        )

    def finish(self, raw: GraspField) -> GraspField:
        """Raw predictions to probabilities, rotations, and widths that the hand can open to."""
        return GraspField(
            None if raw.quality is None else torch.sigmoid(raw.quality),
            None if raw.rotation is None else polar_rows(raw.rotation),
            None if raw.width is None else raw.width.clamp(0.0, self.hand.opening),
            None if raw.occupancy is None else torch.sigmoid(raw.occupancy),
            None if raw.confidence is None else torch.sigmoid(raw.confidence),
        )

    def forward(
        self,
        tsdf: Tensor,
        points: Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
    ) -> GraspField:
        """`encode` followed by `query`."""
        return self.query(self.encode(tsdf), points, outputs)

    def training_field(
        self,
        features: NamedTuple,
        batch: Mapping[str, Tensor],
        num_samples: int,
        points_per_scene: int,
        generator: Generator,
    ) -> GraspField:
        """What the loss needs of a batch (by `equigrasp.data.batch_keys`).

        Args:
            features: of the batch's scenes.
            batch: tensors of the step.
            num_samples: M, noised rotations per grasp point; for models that sample.
            points_per_scene: at most so many successful grasp points per scene get them.
            generator: source of these samples, on the CPU.
        """
        grasps = tuple(name for name in self.outputs if name != "occupancy")
        raw = self.query_raw(features, batch[keys.POINTS], grasps)
        if "occupancy" not in self.outputs:
            return raw
        filled = self.query_raw(features, batch[keys.OCC_POINTS], ("occupancy",))
        return raw._replace(occupancy=filled.occupancy)

    def check_tsdf(self, tsdf: Tensor) -> None:
        """Raise ValueError unless `tsdf` is (B, N, N, N) at this model's resolution."""
        n = self.resolution
        if tsdf.dim() != 4 or tuple(tsdf.shape[1:]) != (n, n, n):
            raise ValueError(
                f"TSDF has shape {tuple(tsdf.shape)}; this model takes (B, {n}, {n}, {n}): "
                f"fuse at resolution {n} or build the model with another `resolution`"
            )


def check_points(
    points: Tensor, outputs: tuple[str, ...], known: tuple[str, ...] = OUTPUTS
) -> None:
    """Raise ValueError for points that are not (B, Q, 3) or outputs that are not predicted."""
    if points.dim() != 3 or points.shape[-1] != 3:
        raise ValueError(f"points have shape {tuple(points.shape)}; give (B, Q, 3) in [-0.5, 0.5]")
    if unknown := sorted(set(outputs) - set(known)):
        raise ValueError(f"unknown outputs {unknown}; choose from {known}")


def judges(model: Any) -> bool:
    """Whether a model, or what a planner takes for one, tells how sure it is of a hand."""
    return "confidence" in getattr(model, "outputs", ())


def published_field(raw: dict[str, Tensor], unit: float) -> GraspField:
    """Raw predictions of GIGA's and VGN's networks: quaternions, and widths in their own unit.

    Args:
        raw: per output (B, Q, C); four channels of a quaternion (xyzw), one of anything else.
        unit: metres of a width of 1.
    """
    field = {name: value.squeeze(-1) for name, value in raw.items() if name != "rotation"}
    if "rotation" in raw:
        field["rotation"] = quaternion_to_matrix(raw["rotation"])[..., :2, :]
    if "width" in field:
        field["width"] = unit * field["width"]
    return GraspField(**field)
