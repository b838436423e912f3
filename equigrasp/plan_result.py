"""What a planning step returns, and why it may hold no grasp."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from equigrasp.geometry.transforms import transform_points
from equigrasp.grasp import UP, Grasp
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
    "limit": "further down the list than `max_grasps`",
}
"""Keys of `PlanResult.dropped`: why a hand at a peak of the quality is not listed."""

HOLLOW = {
    "": "there are grasps, or none of the cases below",
    "nothing_seen": "the depth images hold hardly any reading",
    "out_of_view": "no camera looks at the workspace cube",
    "elsewhere": "the cube is in view, and readings lie elsewhere",
    "table_only": "readings in the cube are those of the table",
    "too_wide": "every thing that was seen is wider than the hand opens",
}
"""Values of `PlanResult.hollow`: what is the matter with a plan that is empty."""

SHORTENED = {
    "refinement": "peaks stay where the lattice has them",
    "samples": "fewer rotations were sampled at each peak",
    "clearance": "clearance and unseen space were not looked at: hands may touch something",
    "measures": "`clearances` and `under` are unknown",
}
"""Keys of `PlanResult.shortened`: what was left out for want of time, in this order."""


class PlanningError(RuntimeError):
    """`plan(strict=True)` found no grasp; `reason` is a key of `REASONS`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {REASONS[reason]}" + (f"; {detail}" if detail else ""))
        self.reason = reason


@dataclass(frozen=True)
class Measures:
    """Of N grasps, in their order.

    Attributes:
        clearances: (N,) metres of room between the open hand on the last 5 cm of its way and what
            was seen, see `equigrasp.clearance.clearances`; NaN where it was not measured.
        under: (N,) number of the cluster that most of the surface between the pads belongs to; -1
            where there is none, or it was not measured.
        clusters: (M, 3) points of each thing that was seen, metres in the frame of the grasps;
            those under grasps first, in the order of the grasps, then by their number of points.
            What touches is one.
    """

    clearances: NDArray[np.float64]
    under: NDArray[np.int64]
    clusters: tuple[NDArray[np.float64], ...] = field(default=(), repr=False)

    @classmethod
    def unknown(cls, count: int) -> Measures:
        """Of so many grasps at which nobody looked."""
        return cls(np.full(count, np.nan), np.full(count, -1))

    def transformed(self, T_new_old: ArrayLike) -> Measures:
        """The same with clusters in another frame."""
        T = np.asarray(T_new_old)
        return replace(self, clusters=tuple(transform_points(T, each) for each in self.clusters))


class MeasuredList(GraspList):
    """A list of grasps that tells what was measured at each of them.

    Attributes:
        measures: clearances and clusters; None where nobody looked.
    """

    measures: Measures | None

    @property
    def clearances(self) -> NDArray[np.float64]:
        """(N,) room around each hand on its way, metres; NaN where it is unknown."""
        return self._measures.clearances

    @property
    def under(self) -> NDArray[np.int64]:
        """(N,) number of the cluster under each grasp, of `clusters`; -1 where there is none."""
        return self._measures.under

    @property
    def clusters(self) -> tuple[NDArray[np.float64], ...]:
        """Points (M, 3) of each thing that was seen, metres in the frame of the grasps."""
        return self._measures.clusters

    @property
    def _measures(self) -> Measures:
        return self.measures or Measures.unknown(len(self))

    def facts(self) -> dict[str, Any]:
        """What is known beyond the grasps: see `GraspList.facts`."""
        return {**super().facts(), "clearances": self.clearances, "under": self.under}


@dataclass(frozen=True)
class PlanResult(MeasuredList):
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
        measures: clearances and clusters; see `clearances`, `under`, `clusters`.
        hollow: a key of `HOLLOW`: what is the matter with an empty plan.
        shortened: what was left out to keep a time budget, in words, by keys of `SHORTENED`.
        up: (3,) direction of up in the frame of the grasps.
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
    measures: Measures | None = field(default=None, repr=False)
    hollow: str = ""
    shortened: dict[str, str] = field(default_factory=dict)
    up: tuple[float, float, float] = UP

    def facts(self) -> dict[str, Any]:
        """What is known beyond the grasps: see `GraspList.facts`."""
        return {
            **super().facts(),
            "reason": self.reason,
            "hollow": self.hollow,
            "detail": self.detail,
            "dropped": self.dropped,
            "shortened": self.shortened,
            "seconds": self.timings.get("total", 0.0),
        }

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
        queries, dropped, measures, hollow, detail, shortened: see `PlanResult`.
        up: (3,) direction of up in the frame of the grasps.
    """

    grasps: Sequence[Grasp] = ()
    reason: str = "no_grasp"
    queries: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    measures: Measures | None = None
    hollow: str = ""
    detail: str = ""
    shortened: dict[str, str] = field(default_factory=dict)
    up: tuple[float, float, float] = UP

    @classmethod
    def among(
        cls,
        grasps: Sequence[Grasp],
        threshold: float,
        queries: int,
        dropped: dict[str, int],
        limit: int | None = None,
    ) -> Found:
        """Those of the grasps, best first, that reach the threshold, or the best one alone; at most
        `limit` of them."""
        if not grasps:
            return cls((), "no_grasp", queries, dropped)
        good = [grasp for grasp in grasps if grasp.score >= threshold]
        kept, reason = (good, "ok") if good else (grasps[:1], "forced")
        lost = {"score": len(grasps) - len(kept), "limit": len(kept) - len(kept[:limit])}
        counts = {name: dropped.get(name, 0) + count for name, count in lost.items() if count}
        return cls(list(kept[:limit]), reason, queries, {**dropped, **counts})

    def transformed(self, T_new_old: ArrayLike) -> Found:
        """The same grasps and clusters expressed in another frame."""
        grasps = [grasp.transformed(T_new_old) for grasp in self.grasps]
        measures = self.measures and self.measures.transformed(T_new_old)
        up = tuple((np.asarray(T_new_old)[:3, :3] @ self.up).tolist())
        return replace(self, grasps=grasps, measures=measures, up=up)

    def result(
        self,
        clock: Stopwatch,
        tsdf: NDArray[np.float32],
        hand: Hand,
        workspace: Workspace,
        tables: tuple[TableFit, ...] = (),
        *,
        strict: bool = False,
    ) -> PlanResult:
        """What a planner returns.

        Args:
            clock, tsdf, hand, workspace, tables: see `PlanResult`.
            strict: raise instead of returning an empty list.

        Raises:
            PlanningError: there is no grasp, with `strict`.
        """
        if strict and not self.grasps:
            raise PlanningError(self.reason, self.detail)
        seen = clock.totals(), tsdf, tables, self.queries, hand, workspace, self.dropped
        more = self.detail, self.measures, self.hollow, self.shortened, self.up
        return PlanResult(list(self.grasps), self.reason, *seen, *more)


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

    def lapped(self, name: str) -> float:
        """Seconds booked under a name until now."""
        return self._laps[name]

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def totals(self) -> dict[str, float]:
        """Seconds per stage, and "total" since the start."""
        return {**self._laps, "total": self.elapsed()}
