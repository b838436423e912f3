"""equigrasp: exactly equivariant 6-DoF grasping from depth images."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# Threads of torch that wait for one another turn round and round, by the choice of GNU's OpenMP.
# Beside another busy program the one that is waited for gets no turn meanwhile, and a plan takes
# seconds (benchmarks/beside_others.py). Read when torch is loaded; who has chosen is obeyed.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"

_HOME = {
    "build_model": "equigrasp.registry",
    "load_model": "equigrasp.weights",
    "save_model": "equigrasp.weights",
    "GraspModel": "equigrasp.models.base",
    "GraspField": "equigrasp.models.base",
    "Grasp": "equigrasp.grasp",
    "GraspPlanner": "equigrasp.planner",
    "plan_anywhere": "equigrasp.anywhere",
    "plan_points": "equigrasp.clouds",
    "load_grasps": "equigrasp.exchange",
    "save_grasps": "equigrasp.exchange",
    "Wanted": "equigrasp.wanted",
    "Hand": "equigrasp.hand",
    "Workspace": "equigrasp.workspace",
    "Intrinsics": "equigrasp.perception.camera",
    "DetectionConfig": "equigrasp.detection",
}

__all__ = ["__version__", *sorted(_HOME)]

if TYPE_CHECKING:
    from equigrasp.anywhere import plan_anywhere
    from equigrasp.clouds import plan_points
    from equigrasp.detection import DetectionConfig
    from equigrasp.exchange import load_grasps, save_grasps
    from equigrasp.grasp import Grasp
    from equigrasp.hand import Hand
    from equigrasp.models.base import GraspField, GraspModel
    from equigrasp.perception.camera import Intrinsics
    from equigrasp.planner import GraspPlanner
    from equigrasp.registry import build_model
    from equigrasp.wanted import Wanted
    from equigrasp.weights import load_model, save_model
    from equigrasp.workspace import Workspace


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import equigrasp` stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'equigrasp' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
