"""The words of scene files: how a trial ended, where a grasp came from, how many yaws it has."""

from __future__ import annotations

from enum import IntEnum

YAWS_PER_POINT = 5
"""Yaws tried per grasp point, spread over the half circle (0 and 180 degrees are one grasp)."""


class Fate(IntEnum):
    """How a trial ended. Values are stored in files: never renumber."""

    SUCCESS = 0
    COLLISION_START = 1
    """Contact in the first increment of the approach."""
    COLLISION_APPROACH = 2
    """Contact later in the approach (a failure in label mode only)."""
    EMPTY_CLOSE = 3
    """Nothing between the fingers after closing."""
    SLIPPED = 4
    """Held after closing, lost during the retreat."""
    STATIC_COLLISION = 5
    """Rejected by the static sweep, not simulated."""
    EMPTY_REGION = 6
    """Rejected by the finger-region test, not simulated."""


class Source(IntEnum):
    """How a grasp was proposed. Values are stored in files: never renumber."""

    NORMAL = 0
    """Along the surface normal."""
    ANTIPODAL = 1
    """Two contacts whose friction cones hold each other."""
    MODEL = 2
    """Planned by a trained model."""
