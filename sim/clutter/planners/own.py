"""A class of the user's, named on the command line: `--model MODULE:CLASS` or `FILE.py:CLASS`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from equigrasp.hand import Hand
from equigrasp.plan_result import PlanResult
from sim.clutter.outside import PlannerView, check_names, offered, plan_of
from sim.clutter.planner import ClutterPlanner
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_view import SceneView

NAMED = re.compile(r"(?P<module>[\w./-]+):(?P<kind>[A-Za-z_]\w*)")


class OwnPlanner(ClutterPlanner):
    """Asks an object of the user's class; see `examples/top_down.py`.

    The class is called with the hand, if its constructor takes one; it has `plan(view)`, which
    is given a `sim.clutter.outside.PlannerView` and returns poses (n, 4, 4), widths (n,) and
    scores (n,), and may have `convention` ("tcp" by default) and `frame` ("world" by default).

    Raises:
        ValueError: the class has no `plan`, or names an unknown convention or frame.
    """

    name = "own"

    def __init__(self, kind: type, hand: Hand, rectify: bool = True) -> None:
        self.hand, self.rectify = hand, rectify
        self.convention = getattr(kind, "convention", "tcp")
        self.frame = getattr(kind, "frame", "world")
        check_names(self.convention, self.frame)
        self.planner = _made(kind, hand)

    @classmethod
    def takes(cls, model: str) -> bool:
        """Whether `--model` names a class."""
        return NAMED.fullmatch(model) is not None

    @classmethod
    def from_settings(cls, settings: EvalSettings, hand: Hand) -> ClutterPlanner:
        """The user's planner; a class below `ClutterPlanner` makes itself."""
        kind = load_kind(settings.model)
        if issubclass(kind, ClutterPlanner):
            return kind.from_settings(settings, hand)
        return cls(kind, hand, settings.table_rectify)

    def plan(self, seen: SceneView) -> PlanResult:
        """The user's grasps in our convention, best first."""
        view = PlannerView.of(seen, self.hand, self.rectify)
        begin = time.perf_counter()
        answer = self.planner.plan(view)
        seconds = time.perf_counter() - begin
        return plan_of(offered(answer), view, self.convention, self.frame, seconds)

    @classmethod
    def made_of(cls, model: str) -> tuple[list[str], list[Path]]:
        """The module of the user's class."""
        return [load_kind(model).__module__], []


def load_kind(text: str) -> type:
    """The class that MODULE:CLASS or FILE.py:CLASS names; modules in the working folder too.

    Raises:
        ValueError: there is no such file, module or class; the message says which.
    """
    found = NAMED.fullmatch(text)
    if found is None:
        raise ValueError(f"--model {text}: give MODULE:CLASS or FILE.py:CLASS")
    module = _module(found["module"])
    kind = getattr(module, found["kind"], None)
    if not isinstance(kind, type) or not callable(getattr(kind, "plan", None)):
        raise ValueError(
            f"--model {text}: {found['module']} has no class '{found['kind']}' with a method plan"
        )
    return kind


@lru_cache(maxsize=8)
def _module(name: str) -> Any:
    if not name.endswith(".py"):
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"--model {name}:...: {error}; give a module that Python finds, or FILE.py:CLASS"
            ) from error
    path = Path(name).resolve()
    if not path.is_file():
        raise ValueError(f"--model {name}:...: there is no file {path}")
    known = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(known, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    spec.loader.exec_module(module)
    return module


def _made(kind: type, hand: Hand) -> Any:
    """An object of the class, told the hand if it wants to know."""
    return kind(hand) if inspect.signature(kind).parameters else kind()
