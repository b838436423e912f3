"""Draw docs/conventions.png from the constants and functions it explains.

Run: python docs/draw_conventions.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from equigrasp.hand import PANDA
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.workspace import WORKSPACE

AXIS_COLOURS = ("tab:red", "tab:green", "tab:blue")


def draw_frame(axes: Axes, T: np.ndarray, length: float, name: str) -> None:
    """Three coloured axes (x red, y green, z blue) of a (4, 4) pose in a 3-D plot."""
    for column, colour in enumerate(AXIS_COLOURS):
        axes.quiver(*T[:3, 3], *(length * T[:3, column]), color=colour, linewidth=2)
    axes.text(*(T[:3, 3] + [0.0, 0.0, -0.05]), name, fontsize=9, ha="center")


def draw_workspace(axes: Axes) -> None:
    """The cube, the table top in it, the workspace frame and the camera of the fixed view."""
    side, table = WORKSPACE.side, WORKSPACE.table_height
    corners = np.array([[x, y, z] for x in (0, side) for y in (0, side) for z in (0, side)])
    for i, a in enumerate(corners):
        for b in corners[i + 1 :]:
            if np.count_nonzero(a != b) == 1:
                axes.plot(*np.stack([a, b]).T, color="grey", linewidth=0.8)
    x, y = np.meshgrid([0, side], [0, side])
    axes.plot_surface(x, y, np.full_like(x, table, dtype=float), alpha=0.35, color="peru")
    axes.text(side, side, table, f" table, z = {table:.2f}", fontsize=8)
    axes.text(side, 0, side, f" {side:.2f} m cube", fontsize=8)
    draw_frame(axes, np.eye(4), 0.12, "workspace")
    T_world_camera = fixed_view()
    draw_frame(axes, T_world_camera, 0.10, "")
    axes.text(*(T_world_camera[:3, 3] + [0.03, 0, 0.06]), "camera (fixed view)", fontsize=9)
    for u, v in ((0, 0), (0, 479), (639, 0), (639, 479)):
        k = DEFAULT_INTRINSICS
        ray = np.array([(u - k.cx) / k.fx, (v - k.cy) / k.fy, 1.0]) * 0.16
        tip = T_world_camera[:3, :3] @ ray + T_world_camera[:3, 3]
        axes.plot(*np.stack([T_world_camera[:3, 3], tip]).T, color="black", linewidth=0.6)
    axes.set_box_aspect((0.5, 0.85, 0.55))
    axes.set(xlim=(-0.05, 0.35), ylim=(-0.40, 0.30), zlim=(0.0, 0.45))
    axes.set(xlabel="x (m)", ylabel="y (m)", zlabel="z (m)", title="Workspace and camera frames")
    axes.tick_params(labelsize=7)
    axes.view_init(elev=18, azim=-35)


def draw_hand(axes: Axes) -> None:
    """Side view of the hand: y (closing) to the right, z (approach) downwards, centimetres."""
    opening, depth = 100 * PANDA.opening, 100 * PANDA.finger_depth
    hand = 100 * PANDA.tcp_from_base
    axes.add_patch(Rectangle((-10, -hand), 20, hand - depth, color="lightgrey"))
    for side in (-1, 1):
        inner = side * opening / 2
        axes.add_patch(Rectangle((min(inner, inner + side), -depth), 1, depth, color="darkgrey"))
    points = (
        (0, "tcp: between the finger tips", "black"),
        (
            -depth,
            "vgn (VGN, GIGA, IGD): finger root, 5 cm back;\nthe networks are queried here",
            "k",
        ),
        (-hand, "graspgen: base of the hand, 11.2 cm back", "k"),
    )
    for z, label, colour in points:
        axes.plot(0, z, "o", color=colour)
        axes.annotate(label, (0, z), (5.6, z - 0.2), fontsize=8)
    axes.annotate("", (3.4, 0), (0, 0), arrowprops={"arrowstyle": "->", "color": "tab:green"})
    axes.annotate("", (0, 4.0), (0, 0), arrowprops={"arrowstyle": "->", "color": "tab:blue"})
    axes.text(0.8, -0.4, "y closes", color="tab:green", fontsize=8)
    axes.text(
        0.2, 2.5, "z approaches\n(x = y cross z, into the page)", color="tab:blue", fontsize=8
    )
    axes.annotate("", (-opening / 2, 0.9), (opening / 2, 0.9), arrowprops={"arrowstyle": "<->"})
    axes.text(-6.2, 1.9, f"width <= {opening:.0f} cm", fontsize=8)
    axes.set(xlim=(-10.5, 19), ylim=(5, -13), aspect="equal", title="Grasp frame (cm)")
    axes.axis("off")


def draw_grid(axes: Axes) -> None:
    """Where pixel and voxel centres lie: integers for pixels, halves for voxels."""
    for i in range(5):
        axes.plot([i - 0.5, i - 0.5], [-0.5, 2.5], color="grey", linewidth=0.8)
    for j in range(4):
        axes.plot([-0.5, 3.5], [j - 0.5, j - 0.5], color="grey", linewidth=0.8)
    for u in range(4):
        for v in range(3):
            axes.plot(u, v, ".", color="tab:purple")
            axes.text(u, v + 0.3, f"({u}, {v})", fontsize=7, ha="center")
    axes.text(-0.5, -0.7, "pixel (row v, column u): centre at (u, v)", fontsize=8)
    axes.plot([-0.5, 3.5], [4.2, 4.2], color="black")
    for i in range(5):
        axes.plot([i - 0.5, i - 0.5], [4.05, 4.35], color="black")
        axes.text(i - 0.5, 4.75, "0" if i == 0 else f"{i}s/N", fontsize=7, ha="center")
        if i < 4:
            axes.plot(i, 4.2, "s", color="tab:orange", markersize=5)
    axes.text(-0.5, 3.75, "voxel i of N: centre at (i + 0.5) s / N, s = 0.30 m", fontsize=8)
    axes.set(xlim=(-0.8, 4.2), ylim=(5.2, -1.1), aspect="equal", title="Pixels and voxels")
    axes.axis("off")


def main() -> None:
    """Write the picture next to this file."""
    figure = plt.figure(figsize=(14.5, 5.2))
    panels = figure.add_gridspec(1, 3, width_ratios=(1.0, 1.25, 0.7))
    draw_workspace(figure.add_subplot(panels[0], projection="3d"))
    draw_hand(figure.add_subplot(panels[1]))
    draw_grid(figure.add_subplot(panels[2]))
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("conventions.png"), dpi=90)


if __name__ == "__main__":
    main()
