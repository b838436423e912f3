"""GraspPlanner: depth images, intrinsics and camera poses in, ranked grasps out.

    planner = GraspPlanner.from_pretrained("equigiga_pile")
    result = planner.plan(depth, intrinsics, T_world_camera)
    if result.grasps:
        T = result.grasps[0].T_world_grasp

Planning is coarse to fine: quality on the lattice points near the observed surface, rotation and
width only at the peaks that survive suppression.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from equigrasp.detection import (
    DetectionConfig,
    lattice_limits,
    lattice_quality,
    query_lattice,
    select_peaks,
    smooth,
)
from equigrasp.geometry.transforms import inverse_transform
from equigrasp.grasp import Grasp
from equigrasp.perception.camera import Intrinsics, valid_pixels, validate_depth
from equigrasp.perception.rectify import TableFit, table_rectify
from equigrasp.perception.surface import surface_band
from equigrasp.perception.tsdf import check_encoding, fuse_tsdf
from equigrasp.placement import admissible_width, place_tips
from equigrasp.plan_result import PlanningError, PlanResult, Stopwatch

__all__ = ["GraspPlanner", "PlanResult", "PlanningError"]

MIN_VALID_SHARE = 0.01
"""An image with a smaller share of readings counts as empty."""


class GraspPlanner:
    """Plan grasps with a model, in the frame of its workspace.

    Args:
        model: a `GraspModel`, or anything with its `encode`, `query`, `encoding`, `hand`,
            `workspace` and `query_setback`.
        detection: thresholds.
        table_height: height of the table in the workspace frame (m), or None if it is not known;
            by default that of the model's workspace.
        seed: of the rotations sampled by models that sample them; equal images give equal grasps.
        rectify_table: whether to undo the camera's global depth factor by the visible table plane;
            needs the table height.

    Raises:
        ValueError: if the model's encoding is unknown.
    """

    def __init__(
        self,
        model: Any,
        detection: DetectionConfig | None = None,
        *,
        table_height: float | Literal["of the model"] | None = "of the model",
        rectify_table: bool = True,
        seed: int = 0,
    ) -> None:
        check_encoding(model.encoding)
        self.model = model
        self.detection = detection or DetectionConfig()
        self.workspace = model.workspace
        if table_height == "of the model":
            table_height = self.workspace.table_height
        if table_height is not None:
            self.workspace = replace(self.workspace, table_height=table_height)
        self.table_height = table_height
        self.seed = seed
        self.rectify_table = rectify_table and table_height is not None

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | os.PathLike, *, device: str = "cpu", **options: Any
    ) -> GraspPlanner:
        """Planner with a shipped or saved model; `options` as for the constructor."""
        from equigrasp.weights import load_model

        return cls(load_model(name_or_path, device=device), **options)

    @property
    def device(self) -> torch.device:
        """Where the model's tensors are."""
        if isinstance(self.model, torch.nn.Module):
            for tensors in (self.model.parameters(), self.model.buffers()):
                if (first := next(tensors, None)) is not None:
                    return first.device
        return torch.device("cpu")

    def plan(
        self,
        depth: NDArray[np.floating],
        intrinsics: Intrinsics,
        T_world_camera: ArrayLike,
        *,
        max_grasps: int | None = None,
        T_workspace_world: ArrayLike | None = None,
        strict: bool = False,
    ) -> PlanResult:
        """Grasps for one scene seen in one or several depth images.

        Args:
            depth: (H, W) or (V, H, W), metres, floating point; 0, NaN and infinity mean no reading.
            intrinsics: shared by all views.
            T_world_camera: (4, 4) or (V, 4, 4) camera poses, OpenCV axes.
            max_grasps: length of the list; default `detection.max_grasps`.
            T_workspace_world: pose of the world in the workspace frame, where these differ; the
                grasps then come back in the world frame.
            strict: raise instead of returning an empty list.

        Raises:
            ValueError: input that cannot be a depth image with its camera (dtype, unit, shape,
                intrinsics, pose).
            PlanningError: no grasp, with `strict`.
        """
        clock = Stopwatch()
        images, poses = _check_views(depth, intrinsics, T_world_camera)
        to_workspace = None if T_workspace_world is None else np.asarray(T_workspace_world, float)
        if to_workspace is not None:
            poses = to_workspace @ poses
        n, encoding = self.workspace.resolution, self.model.encoding
        if all(valid_pixels(image).mean() < MIN_VALID_SHARE for image in images):
            return self._finish([], "empty_depth", clock, np.zeros((n, n, n), "f4"), strict=strict)
        fits: tuple[TableFit, ...] = ()
        if self.rectify_table:
            pairs = [
                table_rectify(image, intrinsics, pose, self.workspace)
                for image, pose in zip(images, poses, strict=True)
            ]
            images, fits = [image for image, _ in pairs], tuple(fit for _, fit in pairs)
        clock.lap("rectify")
        stack = torch.from_numpy(np.stack(images)).to(self.device)
        tsdf = fuse_tsdf(stack, intrinsics, poses, workspace=self.workspace, encoding=encoding)
        lattice = replace(self.workspace, resolution=self.detection.lattice or n)
        near = tsdf
        if lattice != self.workspace:  # the band is that of the finer lattice; the network's not
            near = fuse_tsdf(stack, intrinsics, poses, workspace=lattice, encoding=encoding)
        clock.lap("fusion", self.device)
        level = bool(fits) and all(fit.ok for fit in fits)
        grasps, reason, queries = self._detect(tsdf, near, level, clock)
        if to_workspace is not None:
            back = inverse_transform(to_workspace)
            grasps = [grasp.transformed(back) for grasp in grasps]
        limit = self._limit(max_grasps)
        return self._finish(
            grasps[:limit], reason, clock, tsdf.cpu().numpy(), fits, queries, strict=strict
        )

    def plan_tsdf(
        self,
        tsdf: Tensor,
        *,
        level: bool = False,
        max_grasps: int | None = None,
        strict: bool = False,
    ) -> PlanResult:
        """Grasps for a volume (N, N, N) fused elsewhere, in the model's encoding.

        Args:
            tsdf: at the model's resolution; `detection.lattice` must be None or the same.
            level: whether the table surface lies at `table_height` to within
                `detection.table_margin`, so that it needs no queries.
            max_grasps: length of the list; default `detection.max_grasps`.
            strict: raise `PlanningError` instead of returning an empty list.

        Raises:
            ValueError: another shape, or another lattice.
        """
        n = self.workspace.resolution
        if tuple(tsdf.shape) != (n, n, n) or self.detection.lattice not in (None, n):
            raise ValueError(
                f"TSDF has shape {tuple(tsdf.shape)}, detection.lattice is "
                f"{self.detection.lattice}; this model needs {n} voxels per side for both"
            )
        clock = Stopwatch()
        tsdf = tsdf.to(self.device)
        grasps, reason, queries = self._detect(tsdf, tsdf, level, clock)
        limit = self._limit(max_grasps)
        return self._finish(
            grasps[:limit], reason, clock, tsdf.cpu().numpy(), queries=queries, strict=strict
        )

    @torch.inference_mode()
    def _detect(
        self, tsdf: Tensor, near: Tensor, level: bool, clock: Stopwatch
    ) -> tuple[list[Grasp], str, int]:
        """Grasps, reason and number of queries; `near` is the TSDF on the query lattice."""
        config, n = self.detection, near.shape[-1]
        lattice = replace(self.workspace, resolution=n)
        floor = self.table_height + config.table_margin if level else None
        band = surface_band(near, config.reach, side=lattice.side, floor=floor)
        if not band.any():
            return [], "empty_workspace", 0
        z_min = config.z_min if config.z_min is not None else (self.table_height or 0.0)
        band &= lattice_limits(lattice, config.border, z_min, device=near.device)
        clock.lap("select")
        features = self.model.encode(tsdf[None])
        clock.lap("encode", self.device)

        def ask(points: Tensor) -> Tensor:
            return self.model.query(features, points[None], ("quality",)).quality[0]

        quality, fine, asked = lattice_quality(
            ask, band, config, device=near.device, dtype=tsdf.dtype
        )
        clock.lap("query", self.device)
        spread, window = config.windows(lattice)
        quality = torch.where(fine, smooth(quality, band, spread), 0.0)
        lowest = config.quality_floor if config.force else config.quality_threshold
        peaks, scores = select_peaks(quality, lowest, window, config.max_peaks)
        clock.lap("select", self.device)
        if not len(peaks):
            return [], "no_grasp", asked
        points = query_lattice(n, device=near.device, dtype=tsdf.dtype)[tuple(peaks.T)]
        grasps = self._grasps_at(features, points, scores)
        clock.lap("query", self.device)
        good = [grasp for grasp in grasps if grasp.score >= config.quality_threshold]
        if good:
            return good, "ok", asked
        return grasps[:1], "forced" if grasps else "no_grasp", asked

    def _grasps_at(self, features: Any, points: Tensor, scores: Tensor) -> list[Grasp]:
        """Admissible grasps at peaks (P, 3), normalised; by descending score."""
        if getattr(self.model, "samples_rotations", False):
            field = self.model.query(
                features,
                points[None],
                ("rotation", "width", "confidence"),
                num_samples=self.detection.num_samples,
                generator=torch.Generator().manual_seed(self.seed),
            )
            scores, order = (scores * field.confidence[0]).sqrt().sort(descending=True, stable=True)
            points, rotation, width = (
                t[order] for t in (points, field.rotation[0], field.width[0])
            )
        else:
            field = self.model.query(features, points[None], ("rotation", "width"))
            rotation, width = field.rotation[0], field.width[0]
        tips, fits = place_tips(
            (points + 0.5) * self.workspace.side,
            rotation[..., 2],
            self.model.query_setback,
            self.detection,
            self.table_height,
            side=self.workspace.side,
        )
        keep = fits & admissible_width(width, self.detection, self.model.hand)
        columns = (t[keep].double().cpu().numpy() for t in (tips, rotation, width, scores))
        return [Grasp(p, r, float(w), float(s)) for p, r, w, s in zip(*columns, strict=True)]

    def _finish(
        self,
        grasps: list[Grasp],
        reason: str,
        clock: Stopwatch,
        tsdf: NDArray[np.float32],
        tables: tuple[TableFit, ...] = (),
        queries: int = 0,
        *,
        strict: bool = False,
    ) -> PlanResult:
        if strict and not grasps:
            raise PlanningError(reason)
        about = {"hand": self.model.hand, "workspace": self.workspace}
        return PlanResult(grasps, reason, clock.totals(), tsdf, tables, queries, **about)

    def _limit(self, max_grasps: int | None) -> int | None:
        if max_grasps is not None and max_grasps < 1:
            raise ValueError(f"max_grasps is {max_grasps}; ask for at least one grasp, or None")
        return max_grasps or self.detection.max_grasps


def _check_views(
    depth: ArrayLike, intrinsics: Intrinsics, T_world_camera: ArrayLike
) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
    """Views as lists of (H, W) images and an array of (V, 4, 4) poses, each validated."""
    depth, poses = np.asarray(depth), np.asarray(T_world_camera, dtype=np.float64)
    if depth.ndim == 2 and poses.ndim == 2:
        depth, poses = depth[None], poses[None]
    if depth.ndim != 3 or poses.ndim != 3 or len(depth) != len(poses) or not len(depth):
        raise ValueError(
            f"depth has shape {depth.shape} and T_world_camera {poses.shape}; give (H, W) with "
            "(4, 4), or (V, H, W) with (V, 4, 4)"
        )
    return [validate_depth(d, intrinsics, T) for d, T in zip(depth, poses, strict=True)], poses
