"""A server of one planner, of the standard library alone.

    server = PlannerServer(GraspPlanner.from_pretrained("equiigd_pile"), port=8765)
    server.serve()

It plans one request at a time; a few wait, more are sent away. It listens on this machine alone
unless told so, asks nobody who they are, and serves no page: put it on no network that you do not
trust. Requests are bounded in size and time, and nothing in them can run code.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from equigrasp.anywhere import plan_anywhere
from equigrasp.exchange import to_json
from equigrasp.planner import GraspPlanner
from equigrasp.serving.wire import CONTENT, MOST_BYTES, OPTIONS, Request, read_request

PORT = 8765
WAITING = 4
"""So many requests wait for the one that is being planned; more are answered with 503."""
SILENCE = 30.0
"""A connection over which nothing comes for so many seconds is closed."""
VERSION = 1
"""Of the protocol, see `equigrasp.serving.wire`."""


class PlannerServer:
    """Answers `POST /plan` with grasps, and `GET /` with what it is.

    Args:
        planner: that is asked.
        host: that it listens at; "0.0.0.0" for other machines too.
        port: 0 takes a free one.
        most_bytes: longest request.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        planner: GraspPlanner,
        *,
        host: str = "127.0.0.1",
        port: int = PORT,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.planner, self.most_bytes = planner, most_bytes
        self._one_at_a_time = threading.Lock()
        self._places = threading.Semaphore(1 + WAITING)
        self._server = ThreadingHTTPServer((host, port), _Handler)
        self._server.daemon_threads = True
        self._server.owner = self

    @property
    def address(self) -> str:
        """Where it is asked."""
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}"

    def serve(self) -> None:
        """Answer until `stop` is called from another thread, or Ctrl-C."""
        self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """End `serve` and close the port."""
        self._server.shutdown()
        self._server.server_close()

    def about(self) -> dict[str, Any]:
        """What somebody who asks should know."""
        model, workspace = self.planner.model, self.planner.workspace
        return {
            "service": "equigrasp",
            "protocol": VERSION,
            "model": getattr(model, "name", type(model).__name__),
            "hand": self.planner.hand.name,
            "workspace": {"side": workspace.side, "table_height": workspace.table_height},
            "options": sorted(OPTIONS),
            "most_bytes": self.most_bytes,
        }

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Whether there is a place for one more request, held until it is answered."""
        there = self._places.acquire(blocking=False)
        try:
            yield there
        finally:
            if there:
                self._places.release()

    def answer(self, request: Request) -> dict[str, Any]:
        """The plan for a request, as JSON has it.

        Raises:
            ValueError: what a planner refuses.
        """
        view = request.view
        with self._one_at_a_time:
            if view["T_world_camera"] is None:
                plan, frame = plan_anywhere(self.planner, **view, **request.options), "camera"
            else:
                plan, frame = self.planner.plan(**view, **request.options), "world"
        return to_json(plan, frame=frame, hand=self.planner.hand)


class _Handler(BaseHTTPRequestHandler):
    protocol_version, server_version = "HTTP/1.1", "equigrasp"
    timeout: ClassVar[float] = SILENCE
    server: Any

    def do_GET(self) -> None:
        if self.path != "/":
            return self._refuse(
                HTTPStatus.NOT_FOUND, f"there is no {self.path[:100]}; ask / or /plan"
            )
        return self._send(HTTPStatus.OK, self.server.owner.about())

    def do_POST(self) -> None:
        owner = self.server.owner
        if self.path != "/plan":
            return self._refuse(
                HTTPStatus.NOT_FOUND, f"there is no {self.path[:100]}; post to /plan"
            )
        # A page that a browser shows cannot post this type without asking, and is not answered.
        if self.headers.get_content_type() != CONTENT:
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the content is no {CONTENT}")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
        if int(length) > owner.most_bytes:
            told = f"the request has {length} bytes; the limit is {owner.most_bytes}"
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
        with owner.place() as there:
            if not there:
                told = f"{WAITING} requests wait already; ask again in a second"
                return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, told)
            data = self.rfile.read(int(length))
            if len(data) < int(length):
                self.close_connection = True
                return None
            return self._plan(data)

    def _plan(self, data: bytes) -> None:
        try:
            answer = self.server.owner.answer(read_request(data))
        except ValueError as error:
            return self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except Exception as error:  # whatever it is, the server lives on and says so
            told = f"the planner failed: {type(error).__name__}: {error}"
            return self._send(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": told})
        return self._send(HTTPStatus.OK, answer)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """An error before the content was read, which ends the connection."""
        self.close_connection = True
        self._send(status, {"error": sentence})

    def _send(self, status: HTTPStatus, values: dict[str, Any]) -> None:
        content = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing: who serves it sees the answers."""
