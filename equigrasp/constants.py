"""Dimensions shared by perception, models, simulation and labelling (metres, radians).

Values follow the published VGN/GIGA protocol: a cube of six finger depths on a table one finger
depth above its floor.
"""

WORKSPACE_SIZE = 0.30
"""Side of the cubic workspace; its lower corner is the origin of the workspace frame."""

TABLE_HEIGHT = 0.05
"""Height of the table surface in the workspace frame."""

FINGER_DEPTH = 0.05
"""Length of the free part of a finger; also the distance from finger root to finger tip."""

MAX_WIDTH = 0.08
"""Largest opening of the Panda hand."""

TCP_FROM_HAND = 0.112
"""Distance along the approach from the `panda_hand` frame to the point between the finger tips."""

NEAR, FAR = 0.10, 2.00
"""Depth range of the simulated camera; background reads `FAR`."""
