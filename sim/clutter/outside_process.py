"""Talks to a planner in a process of its own: one line of JSON there, one back, arrays in files.

    {"say": "begin", "protocol": 1, "hand": {...}, "workspace": {"side": 0.3, "table_height": 0.05}}
    {"say": "ready", "convention": "graspnet", "frame": "camera"}
    {"say": "plan", "view": "/scratch/view.npz", "grasps": "/scratch/grasps.npz", "seed": 7}
    {"say": "planned"}                      or  {"say": "failed", "message": "no CUDA device"}

`view.npz` holds `depth`, `K`, `T_world_camera`, `cloud` and `mask` as `PlannerView` has them, and
`more_depth` (v, H, W), `more_T_world_camera` (v, 4, 4) of further views; `grasps.npz` is the
planner's: `poses`, `widths`, `scores` and, if it has them, `depths` of an `Offer`. Neither may hold
pickles. Other lines on its standard output are passed over, its standard error is kept for
messages. It ends when its input ends; `examples/top_down_process.py` is one.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from equigrasp.hand import Hand
from sim.clutter.outside import Offer, PlannerView, check_names
from sim.workers.process import die_with

START_SECONDS = 240.0
"""Longest time until a planner is ready: weights have to be loaded."""
LAST_WORDS = 2000
"""Characters of its standard error that a message repeats."""


class PlannerProcessError(RuntimeError):
    """A planner in another process failed; the message holds its last words."""


class PlannerProcess:
    """The process, started with the first question, kept until it fails or this object goes.

    Args:
        command: program and arguments.
        hand: that its grasps are for.
        seconds: longest time for a plan.

    Attributes:
        convention, frame: of its poses; known once it has answered.
    """

    def __init__(self, command: list[str], hand: Hand, seconds: float) -> None:
        self.command, self.hand, self.seconds = command, hand, seconds
        self.convention, self.frame = "tcp", "world"
        self._scratch: tempfile.TemporaryDirectory | None = None
        self._process: subprocess.Popen | None = None
        self._unread = b""

    def ask(self, view: PlannerView) -> Offer:
        """Grasps for a view.

        Raises:
            PlannerProcessError: it cannot be started, ended, took too long, said that it failed,
                or answered nonsense. The next question starts it anew.
        """
        try:
            if self._process is None:
                self._start(view)
            return self._plan(view)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process and all that it started; remove its files."""
        process, self._process, self._unread = self._process, None, b""
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            scratch.cleanup()
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()

    def __del__(self) -> None:
        self.close()

    @property
    def _log(self) -> Path:
        return Path(self._scratch.name) / "stderr.txt"

    def _start(self, view: PlannerView) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="planner-")
        # Our modules and those of its environment need not go together.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        try:
            with open(self._log, "wb") as log:
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=partial(die_with, os.getpid()),
                )
        except OSError as error:
            raise PlannerProcessError(f"{self._named} cannot be started: {error}") from error
        cube = {"side": view.workspace.side, "table_height": view.workspace.table_height}
        self._tell({"say": "begin", "protocol": 1, "hand": self.hand.to_dict(), "workspace": cube})
        ready = self._hear("ready", START_SECONDS)
        self.convention = ready.get("convention", "tcp")
        self.frame = ready.get("frame", "world")
        try:
            check_names(self.convention, self.frame)
        except ValueError as error:
            raise PlannerProcessError(f"{self._named}: {error}") from error

    def _plan(self, view: PlannerView) -> Offer:
        folder = Path(self._scratch.name)
        question, answer = folder / "view.npz", folder / "grasps.npz"
        answer.unlink(missing_ok=True)
        np.savez(question, **view_arrays(view))
        seed = int(view.rng.integers(2**31))
        self._tell({"say": "plan", "view": str(question), "grasps": str(answer), "seed": seed})
        self._hear("planned", self.seconds)
        try:
            return read_offer(answer)
        except (OSError, ValueError, KeyError) as error:
            raise PlannerProcessError(f"{self._named} left no grasps to read: {error}") from error

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise PlannerProcessError(self._ended()) from error

    def _hear(self, wanted: str, seconds: float) -> dict[str, Any]:
        """The next message, which has to say what is wanted."""
        deadline = time.monotonic() + seconds
        while True:
            line = self._line(deadline, seconds)
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict) and "say" in message:
                    break
        if message["say"] == "failed":
            raise PlannerProcessError(f"{self._named} failed: {message.get('message', '')}")
        if message["say"] != wanted:
            raise PlannerProcessError(
                f"{self._named} said {message['say']!r} instead of {wanted!r}"
            )
        return message

    def _line(self, deadline: float, seconds: float) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise PlannerProcessError(
                        f"{self._named} did not answer within {seconds:g} s and was ended; give "
                        f"more with --plan-timeout; its last words: {self._last_words()}"
                    )
                read = os.read(self._process.stdout.fileno(), 1 << 16)
                if not read:
                    raise PlannerProcessError(self._ended())
                self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    @property
    def _named(self) -> str:
        return f"the planner `{' '.join(self.command)}`"

    def _ended(self) -> str:
        status = self._process.wait()
        return f"{self._named} ended with status {status}; its last words: {self._last_words()}"

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-LAST_WORDS:].strip() or "(none)"


def view_arrays(view: PlannerView) -> dict[str, np.ndarray]:
    """What `view.npz` holds."""
    more = {}
    if view.more:
        images, poses = zip(*view.more, strict=True)
        more = {"more_depth": np.stack(images), "more_T_world_camera": np.stack(poses)}
    return {
        "depth": view.depth,
        "K": view.intrinsics.K,
        "T_world_camera": view.T_world_camera,
        "cloud": view.cloud,
        "mask": view.mask,
        **more,
    }


def read_offer(path: Path) -> Offer:
    """The grasps of `grasps.npz`.

    Raises:
        OSError, ValueError, KeyError: no such file, pickles in it, arrays missing or misshapen.
    """
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in ("poses", "widths", "scores")}
        if "depths" in arrays.files:
            found["depths"] = arrays["depths"]
    return Offer(**found)
