"""What a planning step returns, and why it may hold no grasp."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from equigrasp.grasp import Grasp
from equigrasp.grasp_arrays import GraspList
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.rectify import TableFit
from equigrasp.workspace import WORKSPACE, Workspace

STAGES = ("rectify", "fusion", "encode", "query", "select")
"""Names of the timed stages."""

REASONS = {
    "ok": "there are grasps at or above the quality threshold",
    "forced": "no grasp reaches the threshold; the best one below it is returned",
    "empty_depth": "the depth images hold hardly any reading",
    "check_setup": "the visible table contradicts the camera's pose, its intrinsics or the table's "
    "height; `PlanResult.tables` holds the reasons",
    "empty_workspace": "no surface was seen inside the workspace cube (off the table, if known)",
    "empty_mask": "under the mask no surface was seen inside the workspace cube (off the table, if "
    "known)",
    "no_grasp": "surface was seen, but no admissible grasp on it",
}
"""Values of `PlanResult.reason`."""


DROPS = {
    "width": "openings beyond `width_min` to `width_max`",
    "table": "would have to back up by more than `max_retreat` to stay off the table",
    "workspace": "finger tips outside the workspace cube",
    "region": "finger tips outside the region asked for",
    "approach": "come from a direction that is not asked for, or forbidden",
    "avoid": "the same as a grasp that is to be avoided",
    "clearance": "would touch the observed surface on its way",
    "unseen": "would reach into unseen space, or into what is expected to be hidden there",
    "nothing_between": "hardly any observed surface between the finger pads",
    "mask": "most of the surface between the finger pads lies outside the mask",
    "score": "scores below what is asked for",
}
"""Keys of `PlanResult.dropped`: why a hand at a peak of the quality is not listed."""


class PlanningError(RuntimeError):
    """`plan(strict=True)` found no grasp; `reason` is a key of `REASONS`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {REASONS[reason]}" + (f"; {detail}" if detail else ""))
        self.reason = reason


@dataclass(frozen=True)
class PlanResult(GraspList):
    """Outcome of one planning step: a sequence of grasps, and what led to it.

    Attributes:
        grasps: best first.
        reason: a key of `REASONS`.
        timings: seconds per stage: rectify, fusion, encode, query, select, total.
        tsdf: (N, N, N) float32, what the network saw; all zero if there was no depth.
        tables: what the table plane said about the depth scale, per view; empty if not asked.
        queries: number of points at which the quality was predicted.
        hand: that the grasps are for.
        workspace: that was looked at.
        dropped: number of hands that were not listed, by reason: keys of `DROPS`.
        detail: what to know about the reason: where the readings lie if the workspace is empty,
            what to check if the set-up is at fault, what else may explain a depth factor that no
            good camera has (`TableFit.doubt`); else empty.
    """

    grasps: list[Grasp]
    reason: str
    timings: dict[str, float]
    tsdf: NDArray[np.float32] = field(repr=False)
    tables: tuple[TableFit, ...] = ()
    queries: int = 0
    hand: Hand = field(default=PANDA, repr=False)
    workspace: Workspace = WORKSPACE
    dropped: dict[str, int] = field(default_factory=dict)
    detail: str = ""

    @property
    def table(self) -> TableFit | None:
        """The first view's table fit, None if the table was not asked."""
        return self.tables[0] if self.tables else None


@dataclass(frozen=True)
class Found:
    """What detection found in one volume, before it becomes a result.

    Attributes:
        grasps: best first.
        reason: a key of `REASONS`.
        queries, dropped: see `PlanResult`.
    """

    grasps: Sequence[Grasp] = ()
    reason: str = "no_grasp"
    queries: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @classmethod
    def among(
        cls, grasps: Sequence[Grasp], threshold: float, queries: int, dropped: dict[str, int]
    ) -> Found:
        """Those of the grasps, best first, that reach the threshold, or the best one alone."""
        if not grasps:
            return cls((), "no_grasp", queries, dropped)
        good = [grasp for grasp in grasps if grasp.score >= threshold]
        lost = len(grasps) - max(len(good), 1)
        dropped = {**dropped, "score": dropped.get("score", 0) + lost} if lost else dropped
        return cls(good or grasps[:1], "ok" if good else "forced", queries, dropped)

    def first(self, limit: int | None) -> Found:
        """The best so many; None for all."""
        return replace(self, grasps=list(self.grasps[:limit]))

    def transformed(self, T_new_old: ArrayLike) -> Found:
        """The same grasps expressed in another frame."""
        return replace(self, grasps=[grasp.transformed(T_new_old) for grasp in self.grasps])


class Stopwatch:
    """Adds up the time between laps under their names."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps = dict.fromkeys(STAGES, 0.0)

    def lap(self, name: str, device: torch.device | None = None) -> None:
        """Book the time since the last lap; waits for a CUDA device to finish first."""
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize(device)
        now = time.perf_counter()
        self._laps[name] += now - self._last
        self._last = now

    def totals(self) -> dict[str, float]:
        """Seconds per stage, and "total" since the start."""
        return {**self._laps, "total": time.perf_counter() - self._start}
