"""Open3D without Dash, a web framework that it imports for functions that draw in a browser.

Importing that takes longer than all the rest of Open3D, in every process that simulates. Where the
functions are called after all, they are loaded then.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

DRAWING = "open3d.visualization.draw_plotly"
"""The module that needs Dash."""
FUNCTIONS = ("get_plotly_fig", "draw_plotly", "draw_plotly_server")
"""What Open3D takes from it."""


def load_open3d() -> ModuleType:
    """Import Open3D; the module.

    Raises:
        ImportError: it is missing or broken.
    """
    if "open3d" in sys.modules:
        return sys.modules["open3d"]
    stand_in = ModuleType(DRAWING)
    vars(stand_in).update({name: _loaded_when_called(name) for name in FUNCTIONS})
    sys.modules[DRAWING] = stand_in
    try:
        return importlib.import_module("open3d")
    finally:
        sys.modules.pop(DRAWING, None)  # whoever imports it by name gets the true one


def _loaded_when_called(name: str) -> Callable[..., Any]:
    def draw(*arguments: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(DRAWING), name)(*arguments, **options)

    return draw
