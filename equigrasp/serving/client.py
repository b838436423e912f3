"""Asking a planner server, with the standard library and numpy alone.

planner = PlannerClient("http://127.0.0.1:8765")
plan = planner.plan(depth, intrinsics, T_world_camera)
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equigrasp.exchange import from_json
from equigrasp.grasp import UP, Grasp
from equigrasp.grasp_arrays import ExchangeError, GraspList
from equigrasp.hand import PANDA, Hand
from equigrasp.perception.camera import Intrinsics
from equigrasp.serving.wire import CONTENT, pack_request


class ServerError(RuntimeError):
    """A planner server cannot be reached, is busy, or failed; the message says which."""


@dataclass(frozen=True)
class RemotePlan(GraspList):
    """A plan that a server made.

    Attributes:
        grasps: best first, in the frame of the camera's pose, or the camera's own without one.
        told: what else it said, see `GraspList.facts`: reason, dropped, clearances and so on.
        up: (3,) direction of up in the frame of the grasps.
        hand: that they are for.
    """

    grasps: list[Grasp]
    told: dict[str, Any] = field(repr=False)
    up: tuple[float, float, float] = UP
    hand: Hand = field(default=PANDA, repr=False)

    @property
    def reason(self) -> str:
        """See `PlanResult.reason`."""
        return self.told["reason"]

    @property
    def clearances(self) -> NDArray[np.float64]:
        """(N,) metres, NaN where it was not measured or nothing is near."""
        return np.array([np.nan if each is None else each for each in self.told["clearances"]])

    def facts(self) -> dict[str, Any]:
        """What the server said, see `GraspList.facts`."""
        return {**self.told, **super().facts(), "clearances": self.clearances}


class PlannerClient:
    """Asks a server as one asks a planner.

    Args:
        address: of the server, "http://127.0.0.1:8765".
        timeout: seconds that an answer may take.
        hand: of the server's planner.
    """

    def __init__(self, address: str, *, timeout: float = 60.0, hand: Hand = PANDA) -> None:
        if not address.startswith("http://"):
            raise ValueError(f"address is {address!r}; give http://HOST:PORT")
        self.address, self.timeout, self.hand = address.rstrip("/"), timeout, hand

    def about(self) -> dict[str, Any]:
        """What the server is: model, hand, workspace.

        Raises:
            ServerError: it does not answer.
        """
        return self._ask(urllib.request.Request(f"{self.address}/"))

    def plan(
        self,
        depth: ArrayLike,
        intrinsics: Intrinsics | Sequence[Intrinsics],
        T_world_camera: ArrayLike | None = None,
        **options: Any,
    ) -> RemotePlan:
        """Grasps for a scene; without a pose the table is found, as by `plan_anywhere`.

        Args:
            depth, intrinsics, T_world_camera, options: see `equigrasp.serving.wire.pack_request`.

        Raises:
            ValueError: what the planner refuses, in its words.
            ServerError: the server cannot be reached, is busy, or failed.
        """
        data = pack_request(depth, intrinsics, T_world_camera, **options)
        head = {"Content-Type": CONTENT}
        url = f"{self.address}/plan"
        values = self._ask(urllib.request.Request(url, data, head, method="POST"))
        try:
            told, theirs = values["plan"], values["hand"]
            plan = RemotePlan(from_json(values, self.hand), told, tuple(told["up"]), self.hand)
        except (ExchangeError, KeyError, TypeError) as error:
            raise ServerError(f"{self.address} answers with something else: {error}") from error
        if theirs != self.hand.name:
            raise ServerError(
                f"{self.address} plans for the hand {theirs!r}, and this client is told "
                f"'{self.hand.name}'; give PlannerClient the server's hand=load_hand(...)"
            )
        return plan

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                told = _error_in(error.read(10_000)) or str(error)
            if error.code == 400:
                raise ValueError(told) from None
            raise ServerError(f"{self.address}: {told}") from None
        except (OSError, ValueError) as error:
            raise ServerError(f"{self.address} does not answer: {error}") from error


def _error_in(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return ""
