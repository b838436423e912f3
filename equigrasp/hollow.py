"""Why a plan is empty, in a sentence: out of view, a bare table, things wider than the hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equigrasp.looking import Look
from equigrasp.perception.camera import depth_to_points, project
from equigrasp.plan_result import DROPS, Found
from equigrasp.sifting import Surroundings
from equigrasp.things import clusters, narrowest
from equigrasp.views import Views, where_readings_lie
from equigrasp.workspace import Workspace

PLACES = 8
"""Places along each side of the cube for which it is asked whether a camera sees them."""
HARDLY = 0.05
"""A smaller share of these places, or of the readings, is none."""


def nothing_seen(looked: Look) -> Found:
    """What is found in views that serve no plan."""
    case = "nothing_seen" if looked.reason == "empty_depth" else ""
    return Found(reason=looked.reason, hollow=case, detail=looked.detail)


def explained(found: Found, looked: Look, around: Surroundings, widest: float) -> Found:
    """What was found, with what is doubtful about its views; where it is nothing, with the case.

    Args:
        found: in the workspace frame.
        looked: at which views.
        around: what hands were checked against.
        widest: admissible opening of the hand, metres.
    """
    if found.grasps:
        return replace(found, detail=looked.detail)
    if found.reason.startswith("empty"):
        case, told = _no_surface(looked.views, around.workspace)
        return replace(found, hollow=case, detail=told)
    case, told = _too_wide(around, widest)
    said = [each for each in (looked.detail, told) if each]
    if found.dropped:
        counts = sorted(found.dropped.items(), key=lambda pair: -pair[1])
        said.append(
            "dropped hands: " + ", ".join(f"{count} ({DROPS[name]})" for name, count in counts)
        )
    return replace(found, hollow=case, detail="; ".join(said))


def in_view(views: Views, workspace: Workspace) -> float:
    """Share of the cube from the table up that lies inside the image of some camera."""
    steps = (np.arange(PLACES) + 0.5) / PLACES
    low = min(max(workspace.table_height, 0.0), workspace.side)
    heights = low + steps * (workspace.side - low)
    flat = steps * workspace.side
    places = np.stack(np.meshgrid(flat, flat, heights, indexing="ij"), -1).reshape(-1, 3)
    seen = np.zeros(len(places), dtype=bool)
    for _, camera, pose in zip(*views, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):  # places in the camera's own plane
            u, v, z = project(places, camera, pose).T
            seen |= (
                (z > 0)
                & (abs(u - (camera.width - 1) / 2) <= camera.width / 2)
                & (abs(v - (camera.height - 1) / 2) <= camera.height / 2)
            )
    return float(seen.mean())


def _no_surface(views: Views, workspace: Workspace) -> tuple[str, str]:
    """The case and a sentence on views that show no surface in the cube."""
    where = where_readings_lie(views, workspace)
    share = in_view(views, workspace)
    if share < HARDLY:
        return "out_of_view", f"no camera looks at the cube ({share:.0%} of it is in view); {where}"
    points = np.concatenate([depth_to_points(*view)[::4] for view in zip(*views, strict=True)])
    inside = points[((points >= 0) & (points <= workspace.side)).all(1)]
    if len(inside) < HARDLY * len(points):
        return "elsewhere", where
    return "table_only", f"readings in the cube are those of the table; {where}"


def _too_wide(around: Surroundings, widest: float) -> tuple[str, str]:
    """The case and a sentence on things of which none fits into the hand; else nothing."""
    things = [] if around.seen is None else clusters(around.seen.objects, around.workspace)
    widths = [narrowest(thing) for thing in things]
    if not widths or min(widths) <= widest:
        return "", ""
    return "too_wide", (
        f"what was seen is {len(widths)} thing{'s' * (len(widths) > 1)}, at least "
        f"{1000 * min(widths):.0f} mm wide in every horizontal direction, and the hand "
        f"'{around.hand.name}' takes {1000 * widest:.0f} mm: too wide, or things that touch"
    )
