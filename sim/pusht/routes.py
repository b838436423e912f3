"""Ways for the agent around the T: shortest paths between corners that see each other."""

from __future__ import annotations

import heapq
import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.optional import require
from equigrasp.policy.replays.tee import AGENT_RADIUS, OUTLINE, SIDE, place

CLEAR = AGENT_RADIUS + 2.0
"""Distance (pixels) of the agent's centre from the T at which it touches nothing."""
ROUNDING = AGENT_RADIUS + 12.0
"""Distance at which corners are rounded: the agent follows its targets late and cuts corners."""


class Obstacle:
    """The T, grown by the agent's radius and a little.

    Args:
        pose: (3,) x, y, angle of the T.
    """

    def __init__(self, pose: ArrayLike) -> None:
        shapely = require("shapely", "the planner of PushT")
        tee = shapely.Polygon(place(OUTLINE, pose))
        self._shapely, self._grown = shapely, tee.buffer(CLEAR)
        shapely.prepare(self._grown)
        corners = np.array(tee.buffer(ROUNDING, join_style="mitre").exterior.coords[:-1])
        inside = ((corners > AGENT_RADIUS) & (corners < SIDE - AGENT_RADIUS)).all(1)
        self.corners = corners[inside]

    def clear(self, point: ArrayLike) -> bool:
        """Whether the agent can stand at a point (2,) without touching the T."""
        return not self._grown.intersects(self._shapely.Point(point))

    def sees(self, start: ArrayLike, end: ArrayLike) -> bool:
        """Whether the straight way between two points (2,) touches nothing."""
        return not self._grown.intersects(self._shapely.LineString([start, end]))

    def route(self, start: ArrayLike, end: ArrayLike) -> NDArray[np.float64] | None:
        """Shortest way (K, 2) from `start` to `end`, both included; None if there is none.

        From a start that touches the T, as after a push, the way first leads straight off it.
        """
        start, end = np.asarray(start, float), np.asarray(end, float)
        if not self.clear(end):
            return None
        first = [start]
        if not self.clear(start):
            start = self._off(start)
            first.append(start)
        found = self._shortest(np.concatenate([[start], self.corners, [end]]))
        return None if found is None else np.concatenate([first, found[1:]])

    def _off(self, start: NDArray) -> NDArray[np.float64]:
        """The nearest clear point to one that is not."""
        edge = self._grown.exterior
        nearest = edge.interpolate(edge.project(self._shapely.Point(start)))
        outward = np.array(nearest.coords[0]) - start
        length = max(float(np.linalg.norm(outward)), 1e-9)
        return start + outward * (1 + 3.0 / length)

    def _shortest(self, nodes: NDArray) -> NDArray[np.float64] | None:
        """Dijkstra's path from the first node to the last, over pairs that see each other."""
        lengths: dict[int, dict[int, float]] = {i: {} for i in range(len(nodes))}
        for a, b in itertools.combinations(range(len(nodes)), 2):
            if self.sees(nodes[a], nodes[b]):
                lengths[a][b] = lengths[b][a] = float(np.linalg.norm(nodes[a] - nodes[b]))
        queue: list[tuple[float, list[int]]] = [(0.0, [0])]
        done: set[int] = set()
        while queue:
            length, path = heapq.heappop(queue)
            if path[-1] == len(nodes) - 1:
                return nodes[path]
            if path[-1] in done:
                continue
            done.add(path[-1])
            for other, step in lengths[path[-1]].items():
                heapq.heappush(queue, (length + step, [*path, other]))
        return None


def length_of(route: NDArray) -> float:
    """Length (pixels) of a way (K, 2)."""
    return float(np.linalg.norm(np.diff(route, axis=0), axis=1).sum())


def targets_along(route: NDArray, stride: float) -> NDArray[np.float64]:
    """Targets (n, 2) at equal strides (pixels an action) along a way (K, 2), its end included."""
    steps = np.linalg.norm(np.diff(route, axis=0), axis=1)
    along = np.concatenate([[0.0], steps.cumsum()])
    count = max(1, int(np.ceil(along[-1] / stride)))
    wanted = np.linspace(0.0, along[-1], count + 1)[1:]
    return np.stack([np.interp(wanted, along, route[:, axis]) for axis in (0, 1)], 1)
