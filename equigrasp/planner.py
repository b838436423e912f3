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
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from equigrasp.budget import Budget
from equigrasp.clearance import Observed
from equigrasp.detection import RANGES, DetectionConfig
from equigrasp.fused import Volume, fuse
from equigrasp.geometry.transforms import inverse_transform
from equigrasp.grasp import Grasp, check_grasps
from equigrasp.hand import Hand, some_hand
from equigrasp.hollow import explained, nothing_seen
from equigrasp.looking import Look, look
from equigrasp.options import check_option
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.rectify import SCALE_LIMIT
from equigrasp.perception.surface import raised_surface, surface_voxels
from equigrasp.perception.tsdf import check_encoding, fuse_tsdf
from equigrasp.plan_result import PlanningError, PlanResult, Stopwatch
from equigrasp.predicted import expected_shape
from equigrasp.rehearsal import rehearsal
from equigrasp.scene_mesh import SceneMesh
from equigrasp.search import check_limits, device_of, like_of, search
from equigrasp.sifting import Surroundings
from equigrasp.views import check_masks, check_volume, in_metres
from equigrasp.wanted import Wanted, check_wanted

__all__ = ["GraspPlanner", "PlanResult", "PlanningError", "SceneMesh"]
LIMITS = {"seed": (0, 2**63 - 1), "scale_limit": (1e-4, 0.25), "depth_scale": (1e-7, 1.0)}
"""(smallest, largest) of a planner's numbers."""


class GraspPlanner:
    """Plan grasps with a model, in the frame of its workspace.

    Args:
        model: a `GraspModel`, or anything with its `encode`, `query`, `encoding`, `hand`,
            `workspace` and `query_setback`. If it has a `calibration`, scores of grasps are the
            probabilities of success that it makes of the model's.
        detection: thresholds.
        table_height: height of the table in the workspace frame (m), or None if it is not known;
            by default that of the model's workspace.
        seed: of the rotations sampled by models that sample them; equal images give equal grasps.
        rectify_table: whether to undo the camera's global depth factor by the visible table plane,
            and to return nothing (`reason` "check_setup") where that plane contradicts pose,
            intrinsics or table height; needs the table height.
        scale_limit: a factor further than this from 1 counts as such a contradiction. The default
            lets the published noise pass; a real camera allows 0.03.
        depth_scale: metres of one unit of depth images of whole numbers; None refuses these.
        hand: that grasps, if it is not the model's own: a `Hand`, the name of one that comes with
            the project, or a YAML file. Its opening, palm and fingers are what grasps are checked
            against and exported for; what a model predicts, scores included, is of its own hand.

    Raises:
        ValueError: the model's encoding is unknown, or an argument is beyond its limits.
    """

    def __init__(
        self,
        model: Any,
        detection: DetectionConfig | None = None,
        *,
        table_height: float | Literal["of the model"] | None = "of the model",
        rectify_table: bool = True,
        scale_limit: float = SCALE_LIMIT,
        depth_scale: float | None = None,
        seed: int = 0,
        hand: Hand | str | os.PathLike | None = None,
    ) -> None:
        check_encoding(model.encoding)
        self.model = model
        self.hand = model.hand if hand is None else some_hand(hand)
        self.detection = detection or DetectionConfig()
        self.workspace = model.workspace
        if isinstance(table_height, str) and table_height == "of the model":
            table_height = self.workspace.table_height
        check_option("table_height", table_height, "float | None", {})
        if table_height is not None:
            self.workspace = replace(self.workspace, table_height=table_height)
        check_option("seed", seed, "int", LIMITS)
        check_option("scale_limit", scale_limit, "float", LIMITS)
        check_option("depth_scale", depth_scale, "float | None", LIMITS)
        check_option("rectify_table", rectify_table, "bool", LIMITS)
        check_limits(self.detection, self.hand, self.workspace, table_height)
        self.table_height, self.seed = table_height, seed
        self.rectify_table = rectify_table and table_height is not None
        self.scale_limit, self.depth_scale = scale_limit, depth_scale

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
        return device_of(self.model)

    def warmup(self) -> float:
        """Plan on a made-up scene, so that the first plan takes no longer than later ones.

        No later plan changes by it.

        Returns:
            seconds that it took.
        """
        return self.plan(*rehearsal(self.workspace)).timings["total"]

    def plan(
        self,
        depth: ArrayLike | Sequence[ArrayLike],
        intrinsics: Intrinsics | Sequence[Intrinsics],
        T_world_camera: ArrayLike,
        *,
        max_grasps: int | None = None,
        T_workspace_world: ArrayLike | None = None,
        mask: ArrayLike | Sequence[ArrayLike] | None = None,
        wanted: Wanted | None = None,
        avoid: Sequence[Grasp] = (),
        time_budget: float | None = None,
        strict: bool = False,
    ) -> PlanResult:
        """Grasps for one scene seen in one or several depth images.

        Args:
            depth: (H, W) or (V, H, W), metres, floating point; 0, NaN and infinity mean no reading,
                and so does a mask. A list of images, where cameras differ in size.
            intrinsics: shared by all views, or one for each.
            T_world_camera: (4, 4) or (V, 4, 4) camera poses, OpenCV axes.
            max_grasps: length of the list; default `detection.max_grasps`.
            T_workspace_world: pose of the world in the workspace frame, where these differ; the
                grasps then come back in the world frame.
            mask: pixels of what is to be grasped, of the shape of `depth`; for one image also a box
                (left, top, right, bottom). What is not in it stays an obstacle and a neighbour.
            wanted: limits on region and approach, in the frame in which grasps come back.
            avoid: grasps that failed, in the frame in which grasps come back. They are not proposed
                again, and what is like them only where nothing else is as good.
            time_budget: seconds; a plan that is short of time leaves out refinement, samples, looks
                at clearance, and says so in `PlanResult.shortened`. None for no limit.
            strict: raise instead of returning an empty list.

        Raises:
            ValueError: input that cannot be a depth image with its camera (dtype, unit, shape,
                intrinsics, pose), or no mask of it.
            PlanningError: no grasp, with `strict`.
        """
        budget, limit = Budget(clock := Stopwatch(), time_budget), self._limit(max_grasps)
        avoid, wanted = check_grasps(avoid), check_wanted(wanted)
        looked = self._look(depth, intrinsics, T_world_camera, T_workspace_world)
        masks = None if mask is None else check_masks(mask, looked.views.images)
        of = self.hand, self.workspace, looked.tables
        if looked.reason:
            nothing = np.zeros((self.workspace.resolution,) * 3, np.float32)
            return nothing_seen(looked).result(clock, nothing, *of, strict=strict)
        clock.lap("rectify")
        how = self.workspace, self.model.encoding, self.detection, self.table_height, self.device
        volume, seen = fuse(looked, masks, *how)
        clock.lap("fusion", self.device)
        out = None if looked.to_workspace is None else inverse_transform(looked.to_workspace)
        if out is not None:
            avoid = [grasp.transformed(looked.to_workspace) for grasp in avoid]
        around = self._around(avoid, seen, wanted, out)
        how = {"seed": self.seed, "budget": budget, "limit": limit}
        found = search(self.model, volume, around, self.detection, **how)
        if found.reason == "empty_workspace" and masks is not None:
            found = replace(found, reason="empty_mask")
        found = explained(found, looked, around, self.detection.widest(self.hand))
        found = found if out is None else found.transformed(out)
        return found.result(clock, volume.tsdf.cpu().numpy(), *of, strict=strict)

    def plan_tsdf(
        self,
        tsdf: Tensor | ArrayLike,
        *,
        level: bool = False,
        max_grasps: int | None = None,
        wanted: Wanted | None = None,
        avoid: Sequence[Grasp] = (),
        strict: bool = False,
    ) -> PlanResult:
        """Grasps for a volume (N, N, N) fused elsewhere, in the model's encoding.

        Args:
            tsdf: at the model's resolution, in [0, 1], of torch or numpy; `detection.lattice` must
                be None or the same.
            level: whether the table surface lies at `table_height` to within
                `detection.table_margin`, so that it needs no queries.
            max_grasps: length of the list; default `detection.max_grasps`.
            wanted, avoid: see `plan`; in the workspace frame.
            strict: raise `PlanningError` instead of returning an empty list.

        Raises:
            ValueError: another shape or lattice, or values that no TSDF holds.
        """
        n = self.workspace.resolution
        if self.detection.lattice not in (None, n):
            raise ValueError(
                f"detection.lattice is {self.detection.lattice}; this model needs {n} voxels per "
                "side, and as many lattice points for volumes"
            )
        budget, limit = Budget(clock := Stopwatch()), self._limit(max_grasps)
        tsdf, avoid = check_volume(tsdf, n).to(like_of(self.model)), check_grasps(avoid)
        config = self.detection
        how = {"floor": config.floor(self.table_height), "unseen": config.unseen != "free"}
        seen = Observed.of_volume(tsdf, self.model.encoding, self.workspace, **how)
        floor = config.floor(self.table_height if level else None)
        surface = surface_voxels(tsdf)
        if floor is not None:
            surface = raised_surface(tsdf, floor, side=self.workspace.side)
        volume, around = Volume(tsdf, surface), self._around(avoid, seen, check_wanted(wanted))
        how = {"seed": self.seed, "budget": budget, "limit": limit}
        found = search(self.model, volume, around, config, **how)
        of = self.hand, self.workspace
        return found.result(clock, tsdf.cpu().numpy(), *of, strict=strict)

    def reconstruct(
        self,
        depth: ArrayLike | Sequence[ArrayLike],
        intrinsics: Intrinsics | Sequence[Intrinsics],
        T_world_camera: ArrayLike,
        *,
        T_workspace_world: ArrayLike | None = None,
        resolution: int = 80,
        smooth: bool = False,
    ) -> SceneMesh:
        """The whole shape of what is on the table, its hidden side as the model expects it.

        Marching cubes through the predicted occupancy. Depth is rectified as for `plan`, so shape
        and grasps belong together. Of a turned scene an exact model gives the turned occupancy, and
        the mesh has the turned vertices.

        Args:
            depth, intrinsics, T_world_camera, T_workspace_world: as for `plan`.
            resolution: lattice points per side, even; 80 are 3.75 mm apart in 0.30 m.
            smooth: let PyMCubes smooth the surface: rounder to look at, but it takes seconds and
                forgets how sure the model was (figures: `benchmarks/reconstruction.py`).

        Returns:
            A closed mesh in metres, in the frame of `T_world_camera`; empty with a `reason` where
            there is nothing to reconstruct.

        Raises:
            ValueError: as for `plan`; a model without occupancy; an odd resolution.
        """
        looked = self._look(depth, intrinsics, T_world_camera, T_workspace_world)
        if looked.reason:
            return SceneMesh.none(looked.reason)
        encoding = self.model.encoding
        tsdf = fuse_tsdf(*looked.on(self.device), workspace=self.workspace, encoding=encoding)
        shape = expected_shape(self.model, tsdf, resolution, smooth=smooth)
        if looked.to_workspace is None:
            return shape
        return shape.transformed(inverse_transform(looked.to_workspace))

    def _look(self, depth: Any, *given: Any) -> Look:
        how = {"rectify": self.rectify_table, "scale_limit": self.scale_limit}
        depth = in_metres(depth, self.depth_scale)
        return look(depth, *given, self.workspace, table_known=self.table_height is not None, **how)

    def _around(
        self,
        avoid: Sequence[Grasp],
        seen: Observed | None,
        wanted: Wanted,
        T_given_workspace: ArrayLike | None = None,
    ) -> Surroundings:
        where = self.workspace, self.table_height, self.model.query_setback
        return Surroundings(self.hand, *where, avoid, seen, wanted, T_given_workspace)

    def _limit(self, max_grasps: int | None) -> int | None:
        check_option("max_grasps", max_grasps, "int | None", RANGES)
        return max_grasps or self.detection.max_grasps
