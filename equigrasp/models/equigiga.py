"""EquiGIGA: tri-plane grasp field, exactly equivariant to quarter turns of the workspace.

After "Equivariant Volumetric Grasping" (arXiv 2507.18847), with side planes, deformable layers,
registration and rotation head changed where the published ones break the symmetry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from equigrasp.data import batch_keys as keys
from equigrasp.diffusion.batch import repeat_conditions
from equigrasp.geometry.rotations import gram_schmidt, polar_rows
from equigrasp.hand import PANDA, Hand
from equigrasp.models.base import GRASP_OUTPUTS, LIMITS, GraspField, GraspModel, check_points
from equigrasp.nn.fields import FieldType
from equigrasp.nn.hand_judge import HandJudge
from equigrasp.nn.hand_points import hand_grid
from equigrasp.nn.heads import Head
from equigrasp.nn.kernel_basis import BasisBank, model_bank
from equigrasp.nn.layers import LAYERS, Layers
from equigrasp.nn.near_points import NearPlanes, NearPoints
from equigrasp.nn.plain import PointDecoder
from equigrasp.nn.planes import TriPlane
from equigrasp.nn.point_attention import Reader
from equigrasp.nn.triplane import TriPlaneEncoder
from equigrasp.nn.volume_unet import VolumeEncoder, VolumeFeatures
from equigrasp.options import records_options
from equigrasp.workspace import WORKSPACE

HEAD_TYPES = {
    "quality": FieldType("C4", trivial=1),
    "rotation": FieldType("C4", vector=3),
    "width": FieldType("C4", trivial=1),
    "occupancy": FieldType("C4", trivial=1),
}


Features = TriPlane | VolumeFeatures | NearPlanes

JUDGE_BLOCKS = 3
"""Residual blocks of a judge."""

CHOICES = {
    "backbone": ("planes", "volume"),
    "head": ("steerable", "plain"),
    "rows": ("polar", "gram_schmidt"),
}


@records_options(
    exclude=("bank",),
    limits={**LIMITS, "fields": (1, 256), "depth": (1, 6), "head_fields": (1, 256)}
    | {"head_blocks": (0, 32), "near": (0, 64)},
)
class EquiGIGA(GraspModel):
    """Scene encoder and four equivariant heads.

    Args:
        resolution: voxels per side, divisible by 2**(depth - 1); 40 as published, 60 is finer.
        encoding: TSDF encoding, "full" (tells free from unobserved) or "published".
        query_setback: metres from the tip back to the query point; 0.05 is the finger root.
        fields: regular fields at full resolution (8 fields are 32 channels).
        depth: resolutions of the UNets.
        side_features: "induced" or "sum" (exact), "plain" (published, not exact).
        deform: "none", "orbit" or "full", of all planes.
        deform_xy, deform_side: the same of the table plane ("published" as well) and of the side
            planes apart; None stands for `deform`.
        norm: "group", "none" (not inside the UNets) or "nowhere".
        exchange: whether the planes tell each other what they see, at every level.
        layers: further choices in which the published encoder differs, see `Layers`.
        backbone: "planes", or "volume", a steerable 3-D UNet, of which `side_features`, `deform`,
            `norm`, `exchange` and `layers` say nothing.
        head_fields: regular fields of the heads' hidden layers.
        head_blocks: residual blocks of the heads.
        head: "steerable", or "plain", ordinary decoders of the same width (not exact).
        rows: how the rotation's rows become orthonormal, "polar", or "gram_schmidt" (published, not
            exact).
        judge: whether grasps are looked at once more, as EquiIGD does: the model then has an output
            "confidence", and the score of a grasp is sqrt(quality * confidence). A new judge
            agrees with the quality until it learns (`with_judge`).
        near: regular fields that say what lies around a point beside those of the planes, from the
            observed surface itself; see `NearPoints`.
        hand, workspace_side, table_height: see `GraspModel`.
        bank: kernel bases saved with a model; without them escnn computes them.
    """

    name: ClassVar[str] = "equigiga"

    def __init__(
        self,
        resolution: int = 40,
        encoding: str = "full",
        query_setback: float = PANDA.finger_depth,
        fields: int = 8,
        depth: int = 3,
        side_features: str = "induced",
        deform: str = "none",
        deform_xy: str | None = None,
        deform_side: str | None = None,
        norm: str = "group",
        exchange: bool = True,
        layers: Mapping[str, Any] = LAYERS,
        backbone: str = "planes",
        head_fields: int = 16,
        head_blocks: int = 5,
        head: str = "steerable",
        rows: str = "polar",
        judge: bool = False,
        near: int = 0,
        hand: Hand | Mapping[str, Any] = PANDA,
        workspace_side: float = WORKSPACE.side,
        table_height: float = WORKSPACE.table_height,
        bank: BasisBank | None = None,
    ) -> None:
        super().__init__(resolution, encoding, query_setback, hand, workspace_side, table_height)
        self.bank = model_bank(bank, layers)
        for option, value in (("backbone", backbone), ("head", head), ("rows", rows)):
            if value not in CHOICES[option]:
                raise ValueError(f"{option} is {value!r}; use one of {CHOICES[option]}")
        self.rows = rows
        self.encoder = (
            VolumeEncoder(fields, depth, encoding, self.bank)
            if backbone == "volume"
            else TriPlaneEncoder(
                resolution,
                fields=fields,
                depth=depth,
                side_features=side_features,
                deform_xy=deform if deform_xy is None else deform_xy,
                deform_side=deform if deform_side is None else deform_side,
                norm=norm,
                encoding=encoding,
                exchange=exchange,
                layers=Layers.of(layers),
                bank=self.bank,
            )
        )
        if near and backbone != "planes":
            raise ValueError(f"near={near} goes with backbone='planes', not {backbone!r}")
        self.near = NearPoints(self.workspace, near) if near else None
        self.point_field = self.encoder.point_field
        if near:
            regular = near + self.point_field.regular
            self.point_field = replace(self.point_field, regular=regular)
        self.steerable = head == "steerable"
        self.heads = nn.ModuleDict(
            {
                output: self._head(target, head_fields, head_blocks)
                for output, target in HEAD_TYPES.items()
            }
        )

        self.judge: HandJudge | None = None
        if judge:
            here = self.point_field
            grid = hand_grid(self.hand, self.workspace.side, query_setback)
            self.judge = HandJudge(here, self.bank, grid, fields=head_fields, blocks=JUDGE_BLOCKS)
            self.outputs = (*type(self).outputs, "confidence")

    def _head(self, target: FieldType, fields: int, blocks: int) -> nn.Module:
        """Decoder of one output."""
        here = self.point_field
        if self.steerable:
            return Head(here, target, self.bank, fields=fields, blocks=blocks)
        return PointDecoder(here.channels, target.channels, hidden=4 * fields, blocks=blocks)

    @property
    def exact(self) -> bool:
        """Commutes with quarter turns unless told otherwise: plain side features, plain heads and
        Gram-Schmidt do not."""
        return self.encoder.exact and self.steerable and self.rows == "polar"

    def encode(self, tsdf: Tensor) -> Features:
        """Planes of scenes (B, N, N, N)."""
        self.check_tsdf(tsdf)
        planes = self.encoder(tsdf)
        return planes if self.near is None else NearPlanes(*planes, self.near.cloud(tsdf))

    def reader(self, features: Features) -> Reader:
        """Features of scenes at points, of type `point_field`."""
        if self.near is None:
            return partial(self.encoder.at, features)
        near, planes, cloud = self.near, TriPlane(*features[:3]), features[3]

        def read(points: Tensor) -> Tensor:
            # regular fields come before all others, so those of the surface go first
            return torch.cat([near(points, cloud), self.encoder.at(planes, points)], -1)

        return read

    def query_raw(
        self,
        features: Features,
        points: Tensor,
        outputs: tuple[str, ...] = GRASP_OUTPUTS,
    ) -> GraspField:
        """Logits, unconstrained rotation rows (B, Q, 2, 3) and unclamped width at (B, Q, 3)."""
        check_points(points, outputs, self.outputs)
        read = self.reader(features)
        at, judged = read(points), "confidence" in outputs
        asked = {*outputs, "quality", "rotation"} if judged else {*outputs}
        raw = {name: self._decoded(name, points, at) for name in HEAD_TYPES if name in asked}
        if judged:
            rotations = polar_rows(raw["rotation"]).unsqueeze(2)
            looked = self._looked(read, points, rotations, at, raw["quality"])
            raw["confidence"] = self.verdict(looked)[0].squeeze(2)
        return GraspField(**{name: raw[name] for name in outputs})

    def _decoded(self, output: str, points: Tensor, at: Tensor) -> Tensor:
        """What a head says at points with features (B, Q, C)."""
        value = self.heads[output](*((at,) if self.steerable else (points, at)))
        if output == "rotation":  # three horizontal vectors, one per gripper axis -> two rows
            rows = value.unflatten(-1, (3, 2)).transpose(-1, -2)
            # what comes after leaves orthonormal rows alone
            return gram_schmidt(rows) if self.rows == "gram_schmidt" else rows
        if output == "width":  # a unit step of the head is a quarter of the full opening
            value = self.hand.opening * (0.5 + 0.25 * value)
        return value.squeeze(-1)

    def judged_at(
        self, features: Features, points: Tensor, rotations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What a judge looks at, (B, Q, S, C) of rotations (B, Q, S, 3, 3) at points (B, Q, 3), and
        the logits of quality (B, Q)."""
        read = self.reader(features)
        at = read(points)
        quality = self._decoded("quality", points, at)
        return self._looked(read, points, rotations, at, quality), quality

    def _looked(
        self, read: Reader, points: Tensor, rotations: Tensor, at: Tensor, quality: Tensor
    ) -> Tensor:
        """`judged_at`, of features (B, Q, C) and logits of quality (B, Q) at the points."""
        own = repeat_conditions(quality, rotations.shape[2], levels=2)
        looked = self._judge().look(read, points, rotations, at)
        return torch.cat([looked, own.unsqueeze(-1)], -1)

    def verdict(self, judged: Tensor) -> tuple[Tensor, None]:
        """Logit of success (...) of what the judge looks at (..., C); it says nothing of widths."""
        return judged[..., -1] + self._judge()(judged[..., :-1]), None

    def _judge(self) -> HandJudge:
        if self.judge is None:
            raise ValueError("this EquiGIGA has no judge; build it with judge=True")
        return self.judge

    def training_field(
        self,
        features: Features,
        batch: Mapping[str, Tensor],
        num_samples: int,
        points_per_scene: int,
        generator: Generator,
    ) -> GraspField:
        """As without a judge; one is asked for every labelled yaw."""
        more = (num_samples, points_per_scene, generator)
        if self.judge is None:
            return super().training_field(features, batch, *more)
        points = batch[keys.POINTS]
        raw = self.query_raw(features, points)
        filled = self.query_raw(features, batch[keys.OCC_POINTS], ("occupancy",))
        read, rotations = self.reader(features), batch[keys.ROTATIONS].to(points)
        # the quality is of the best yaw: what is said of one of them does not teach it
        looked = self._looked(read, points, rotations, read(points), raw.quality.detach())
        return raw._replace(occupancy=filled.occupancy, confidence=self.verdict(looked)[0])


def with_judge(model: EquiGIGA, seed: int = 0) -> EquiGIGA:
    """The same model with a new judge, which agrees with the quality until it learns.

    Args:
        model: trainable; left as it is.
        seed: of the judge's weights.
    """
    options = {**model.options, "judge": True}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = EquiGIGA(**options, bank=model.bank)
    missing = found.load_state_dict(model.state_dict(), strict=False).missing_keys
    strange = [name for name in missing if not name.startswith("judge.")]
    if strange:
        raise ValueError(f"the model lacks {strange}")
    return found.to(next(model.parameters()))
