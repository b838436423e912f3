"""Depth image in, ranked grasps out.

The planner fuses the depth to a TSDF, encodes it once, asks for the quality only where a grasp can
be, and for rotation and width only at the surviving peaks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from equigrasp.constants import TABLE_HEIGHT, WORKSPACE_SIZE
from equigrasp.detection import (
    DetectionConfig,
    admissible,
    query_lattice,
    select_peaks,
    smooth,
    surface_band,
)
from equigrasp.geometry.transforms import inverse_transform
from equigrasp.grasp import Grasp
from equigrasp.models.base import GraspModel
from equigrasp.perception.camera import Intrinsics, valid_pixels, validate_depth
from equigrasp.perception.table import TableFit, table_rectify
from equigrasp.perception.tsdf import fuse_tsdf


@dataclass
class PlanResult:
    """What the planner found.

    Attributes:
        grasps: ranked, best first; in the frame the camera pose was given in.
        reason: "ok", or why there is no grasp: "empty_depth" (no reading), "nothing_on_table" (no
            surface over the table), "no_grasp" (no peak passed), "invalid_input" (not `strict`).
        message: a sentence for people, empty if ok.
        timings: seconds for "table", "fusion", "encode", "query", "select", "total".
        tsdf: (N, N, N) volume, None if it was not made.
        table: how the depth was rectified, None if it was not tried.
    """

    grasps: list[Grasp] = field(default_factory=list)
    reason: str = "ok"
    message: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    tsdf: NDArray[np.float32] | None = None
    table: TableFit | None = None


class GraspPlanner:
    """Plans grasps with any model that offers `encode` and `query`.

    Args:
        model: a `GraspModel`, in evaluation mode.
        detection: thresholds of the post-processing.
        table_height: height of the table in the workspace frame (m), None if there is none.
        table_rectify: estimate the camera's depth factor from the visible table and undo it;
            needs the table height.
        T_world_workspace: (4, 4) pose of the workspace cube in the frame that camera poses and
            grasps are given in; identity by default.
        strict: raise on implausible input instead of returning an empty result.
    """

    def __init__(
        self,
        model: GraspModel,
        detection: DetectionConfig | None = None,
        *,
        table_height: float | None = TABLE_HEIGHT,
        table_rectify: bool = True,
        T_world_workspace: NDArray | None = None,
        strict: bool = True,
    ) -> None:
        self.model = model.eval()
        self.detection = detection or DetectionConfig()
        self.table_height = table_height
        self.table_rectify = table_rectify and table_height is not None
        self.T_world_workspace = (
            np.eye(4) if T_world_workspace is None else np.asarray(T_world_workspace, float)
        )
        self.strict = strict

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | os.PathLike, *, device: str = "cpu", **options
    ) -> GraspPlanner:
        """A planner with a shipped or saved model; `options` as for the constructor."""
        from equigrasp.weights import load_model

        return cls(load_model(name_or_path, device=device), **options)

    def plan(
        self,
        depth: NDArray,
        intrinsics: Intrinsics,
        T_world_camera: NDArray,
        *,
        max_grasps: int | None = None,
    ) -> PlanResult:
        """Grasps for one depth image.

        Args:
            depth: (H, W) floating point metres; 0, NaN and infinity mean no reading.
            intrinsics: of this image; pixel centres at integer coordinates.
            T_world_camera: (4, 4) camera pose, OpenCV axes.
            max_grasps: most grasps returned; default from the detection thresholds.

        Raises:
            ValueError: if `strict` and the input is implausible; the message names the cause.
        """
        result = PlanResult()
        with _timed(result.timings, "total"):
            try:
                depth = validate_depth(depth, intrinsics, T_world_camera)
            except ValueError as error:
                if self.strict:
                    raise
                result.reason, result.message = "invalid_input", str(error)
                return result
            if not valid_pixels(depth).any():
                result.reason, result.message = "empty_depth", "no pixel has a reading"
                return result
            pose = inverse_transform(self.T_world_workspace) @ np.asarray(T_world_camera, float)
            result.tsdf = self._fuse(depth, intrinsics, pose, result)
            grasps = self._detect(result)
        limit = self.detection.max_grasps if max_grasps is None else max_grasps
        result.grasps = [grasp.transformed(self.T_world_workspace) for grasp in grasps[:limit]]
        return result

    def _fuse(
        self, depth: NDArray, intrinsics: Intrinsics, pose: NDArray, result: PlanResult
    ) -> NDArray[np.float32]:
        if self.table_rectify:
            with _timed(result.timings, "table"):
                depth, result.table = table_rectify(depth, intrinsics, pose, self.table_height)
        with _timed(result.timings, "fusion"):
            return fuse_tsdf(
                torch.from_numpy(depth),
                intrinsics,
                pose,
                resolution=self.model.resolution,
                encoding=self.model.encoding,
            ).numpy()

    @torch.no_grad()
    def _detect(self, result: PlanResult) -> list[Grasp]:
        config, timings = self.detection, result.timings
        with _timed(timings, "select"):
            band = self._band(result.tsdf)
        if not band.any():
            result.reason = "nothing_on_table"
            result.message = "no observed surface lies above the table inside the workspace"
            return []
        device = next(self.model.parameters()).device
        lattice = query_lattice(len(band))
        with _timed(timings, "encode"):
            features = self.model.encode(torch.from_numpy(result.tsdf)[None].to(device))
        with _timed(timings, "query"):
            points = lattice[torch.from_numpy(band.reshape(-1))].to(device)
            found = self.model.query(features, points[None], outputs=("quality",)).quality[0]
            quality = np.zeros(band.shape, np.float32)
            quality[band] = found.float().cpu().numpy()
        with _timed(timings, "select"):
            quality = smooth(quality, band, config.smoothing)
            peaks = select_peaks(quality, config)
        grasps = self._grasps(features, lattice, quality, peaks, timings) if len(peaks) else []
        if not grasps:
            result.reason = "no_grasp"
            result.message = (
                f"best quality {quality.max():.2f}, {len(peaks)} peaks, none admissible"
            )
        return grasps

    def _band(self, tsdf: NDArray[np.float32]) -> NDArray[np.bool_]:
        band = surface_band(tsdf, self.model.encoding, self.detection, self.table_height)
        resolution = self.detection.resolution or len(tsdf)
        if resolution == len(tsdf):
            return band
        # Nearest voxel of each lattice point; centred on both sides, so turns still commute.
        index = ((np.arange(resolution) + 0.5) * len(tsdf) / resolution).astype(int)
        return band[np.ix_(index, index, index)]

    def _grasps(
        self,
        features: tuple[torch.Tensor, ...],
        lattice: torch.Tensor,
        quality: NDArray[np.float32],
        peaks: NDArray[np.intp],
        timings: dict[str, float],
    ) -> list[Grasp]:
        index = np.ravel_multi_index(tuple(peaks.T), quality.shape)
        points = lattice[torch.from_numpy(index)]
        with _timed(timings, "query"):
            field_ = self.model.query(
                features,
                points[None].to(next(self.model.parameters()).device),
                outputs=("rotation", "width"),
            )
            rotation = field_.rotation[0].double().cpu().numpy()
            width = field_.width[0].double().cpu().numpy()
        with _timed(timings, "select"):
            query = (points.double().numpy() + 0.5) * WORKSPACE_SIZE
            tips = query + self.model.query_setback * rotation[:, :, 2]
            keep = admissible(tips, width, self.detection, self.table_height)
            score = quality[tuple(peaks.T)]
            return [
                Grasp(tips[i], rotation[i], float(width[i]), float(score[i]))
                for i in np.flatnonzero(keep)
            ]


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[name] = timings.get(name, 0.0) + time.perf_counter() - start
