"""Draw docs/pictures/frames.png: the frame of every grasp convention on one hand.

Run: python docs/draw_frames.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from equigrasp.data.files import atomic_path
from equigrasp.grasp import CONVENTIONS, Grasp
from equigrasp.hand import PANDA, Hand

PICTURE = Path(__file__).parent / "pictures" / "frames.png"
COLOURS = {"x": "tab:red", "y": "tab:green", "z": "tab:blue"}
LENGTH = 0.035
"""Of the axes that are drawn, metres."""
OPENING = 0.05
DOWN = np.diag([1.0, -1.0, -1.0])
"""A hand from above: its approach is down, its closing direction to the left."""


def draw_hand(axes: Axes, hand: Hand) -> None:
    """Palm and fingers in the plane of closing direction (right) and height (up), mm."""
    low, high = hand.finger_box
    palm = hand.palm_box
    boxes = [(palm.lower[1], palm.upper[1], palm.lower[2], palm.upper[2])]
    half = OPENING / 2
    boxes += [(half + low[1], half + high[1], low[2], high[2])]
    boxes += [(-half - high[1], -half - low[1], low[2], high[2])]
    for left, right, near, far in boxes:
        corner = 1000 * left, -1000 * far
        size = 1000 * (right - left), 1000 * (far - near)
        axes.add_patch(Rectangle(corner, *size, color="#c9ced6", zorder=0))


def draw_frame(axes: Axes, name: str, hand: Hand) -> None:
    """The axes of a convention where it has them: a dot comes out of the picture, X goes in."""
    T = Grasp([0, 0, 0], DOWN, OPENING).to(name, hand)
    right, up, out = -T[1], T[2], -T[0]  # the closing direction of the hand to the right
    start = 1000 * np.array([right[3], up[3]])
    for column, (axis, colour) in enumerate(COLOURS.items()):
        end = 1000 * LENGTH * np.array([right[column], up[column]])
        if np.linalg.norm(end) < 1.0:
            marker = "o" if out[column] > 0 else "X"
            axes.plot(*start, marker, color=colour, markersize=9, zorder=3)
            axes.annotate(axis, start, (-14, -4), textcoords="offset points", color=colour)
            continue
        axes.annotate("", start + end, start, arrowprops={"arrowstyle": "->", "color": colour})
        axes.annotate(axis, start + 1.2 * end, color=colour, ha="center", va="center")


def draw(hand: Hand = PANDA) -> Figure:
    """One panel for each convention."""
    columns = -(-len(CONVENTIONS) // 2)
    figure = Figure(figsize=(3.4 * columns, 8.4), layout="constrained")
    panels = figure.subplots(2, columns).ravel()
    for axes in panels[len(CONVENTIONS) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, CONVENTIONS, strict=False):
        draw_hand(axes, hand)
        draw_frame(axes, name, hand)
        axes.axhline(0, color="tab:grey", linewidth=0.6, linestyle=":")
        axes.set(title=name, xlim=(-110, 110), ylim=(-55, 190), aspect="equal")
        axes.set_xlabel("closing direction, mm", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.suptitle(
        f"Frames of a grasp from above, hand '{hand.name}'; dotted line: finger tips; "
        "a dot comes out of the picture, a cross goes into it"
    )
    return figure


if __name__ == "__main__":
    with atomic_path(PICTURE) as unfinished:
        draw().savefig(unfinished, dpi=60, format="png")
