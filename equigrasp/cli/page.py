"""A page in the browser that stays until somebody ends it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equigrasp.grasp import Grasp
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import Intrinsics
from equigrasp.plan_result import PlanResult

PORT = 8080


def result_of(grasps: Sequence[Grasp], reason: str = "ok", hand: Hand = PANDA) -> PlanResult:
    """Grasps that no planner of one cube found, in the form of its results."""
    return PlanResult(list(grasps), reason, {}, np.zeros((0, 0, 0), np.float32), hand=hand)


def serve(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray[np.float64],
    result: PlanResult,
    port: int = PORT,
) -> None:
    """Show a scene in the browser until Ctrl-C, see `equigrasp.browser.browse_plan`.

    Raises:
        ImportError: viser or matplotlib is not installed.
    """
    from equigrasp.browser import browse_plan

    shown = browse_plan(depth, intrinsics, T_world_camera, result, port=port)
    print(f"{shown.address} shows the scene; Ctrl-C ends it", flush=True)
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        print()
    finally:
        shown.stop()
