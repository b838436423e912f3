"""Draw docs/pictures/symmetry.png: a scene and the turned one, through a network.

Run: python docs/draw_symmetry.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from equigrasp.data.files import atomic_path
from equigrasp.models.base import GraspModel
from equigrasp.peaks import query_lattice
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.predicted import feature_planes
from equigrasp.self_test import fixed_depth
from equigrasp.testing import turn_grid
from equigrasp.weights import load_model

PICTURE = Path(__file__).parent / "pictures" / "symmetry.png"
MODEL = "equigiga_pile"
Maps = dict[str, np.ndarray]


def maps(model: GraspModel, tsdf: torch.Tensor) -> Maps:
    """What a network makes of a volume (N, N, N): pictures (H, W) by name, first axis to the right.

    The volume's surface from above, the lengths of features on the three planes, and the best
    quality of each column of the lattice.
    """
    planes = {name: np.linalg.norm(p, axis=0) for name, p in feature_planes(model, tsdf).items()}
    n = len(tsdf)
    points = query_lattice(n, dtype=tsdf.dtype).reshape(1, -1, 3)
    with torch.inference_mode():
        quality = model.query(model.encode(tsdf[None]), points, ("quality",)).quality
    height = torch.where((tsdf - 0.5).abs() < 0.25, torch.arange(n), 0).amax(2)
    found = {"surface from above": height.numpy()}
    found |= {f"features, {name} plane": plane for name, plane in planes.items()}
    found["best quality per column"] = quality.reshape(n, n, n).amax(2).numpy()
    return found


def turned(here: Maps) -> Maps:
    """The maps that the scene turned by +90 degrees has to have."""
    found = {name: np.rot90(image) for name, image in here.items()}
    found["features, xz plane"] = here["features, yz plane"][::-1]
    found["features, yz plane"] = here["features, xz plane"]
    return found


def farthest(here: Maps, there: Maps) -> dict[str, float]:
    """Largest difference of each map of the turned scene from the turned map, over its range."""
    return {
        name: float(np.abs(image - there[name]).max() / np.ptp(image))
        for name, image in turned(here).items()
    }


def draw(model: GraspModel, tsdf: torch.Tensor) -> Figure:
    """The scene above, the turned one below."""
    here, there = maps(model, tsdf), maps(model, turn_grid(tsdf, 1))
    apart = farthest(here, there)
    figure = Figure(figsize=(3.0 * len(here), 6.2), layout="constrained")
    rows = zip(figure.subplots(2, len(here)), (here, there), strict=True)
    for row, (panels, images) in enumerate(rows):
        for axes, (name, image) in zip(panels, images.items(), strict=True):
            axes.imshow(image.T, origin="lower", cmap="magma")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(f"{name}\noff by {apart[name]:.0e}" if row else name, fontsize=10)
        panels[0].set_ylabel("turned by 90 degrees" if row else "a scene")
    return figure


if __name__ == "__main__":
    volume = fuse_tsdf(torch.as_tensor(fixed_depth()), DEFAULT_INTRINSICS, fixed_view())
    with atomic_path(PICTURE) as unfinished:
        draw(load_model(MODEL), volume).savefig(unfinished, dpi=60, format="png")
