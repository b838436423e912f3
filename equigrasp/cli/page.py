"""A page in the browser that stays until somebody ends it, and what models predict for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from equigrasp.anywhere import AnywherePlan
from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.interruption import caught
from equigrasp.plan_result import PlanResult
from equigrasp.predicted import feature_planes, predicted_shape
from equigrasp.scene_mesh import SceneMesh
from equigrasp.workspace import WORKSPACE, Workspace

if TYPE_CHECKING:
    from equigrasp.moment import Moment

PORT = 8080


def result_of(
    grasps: Sequence[Grasp],
    reason: str = "ok",
    hand: Hand = PANDA,
    workspace: Workspace = WORKSPACE,
) -> PlanResult:
    """Grasps that no planner of one cube found, in the form of its results."""
    empty = np.zeros((0, 0, 0), np.float32)
    return PlanResult(list(grasps), reason, {}, empty, hand=hand, workspace=workspace)


def predictions(model: Any, tsdf: NDArray[np.floating]) -> dict[str, Any]:
    """`shape` and `planes` of `Moment.of_plan` that a model predicts of a TSDF (N, N, N).

    Nothing where there is no volume.
    """
    if not tsdf.any():
        return {}
    return {"shape": predicted_shape(model, tsdf), "planes": feature_planes(model, tsdf)}


def predictions_anywhere(model: Any, plan: AnywherePlan) -> dict[str, Any]:
    """The same of all cubes of a plan, in the frame of its grasps."""
    shapes, planes = [], {}
    for number, cube in enumerate(plan.cubes, 1):
        found = predictions(model, cube.result.tsdf)
        if shape := found.get("shape"):
            shapes.append(shape.transformed(cube.T_world_workspace))
        for name, plane in found.get("planes", {}).items():
            planes[f"cube {number}: {name}"] = plane
    return {"shape": SceneMesh.joined(shapes) if shapes else None, "planes": planes}


def serve(moments: Sequence[Moment], port: int = PORT) -> None:
    """Show moments in the browser until Ctrl-C, see `equigrasp.browser.browse`.

    Raises:
        ImportError: viser or matplotlib is not installed.
    """
    from equigrasp.browser import browse

    shown = browse(moments, port=port)
    print(f"{shown.address} shows the scene; Ctrl-C ends it", flush=True)
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        caught()
        print()
    finally:
        shown.stop()
