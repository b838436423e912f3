"""RLBench's protocol double, `tests/rlbench_double`, in place of an installed RLBench."""

import importlib
import sys
from pathlib import Path

import pytest

DOUBLE = Path(__file__).parents[2] / "rlbench_double"


@pytest.fixture
def no_rlbench():
    """No RLBench is loaded, before and after."""
    _forget()
    yield
    _forget()


@pytest.fixture
def double(no_rlbench, monkeypatch):
    """Module `rlbench.double`, as the only RLBench there is."""
    monkeypatch.syspath_prepend(str(DOUBLE))
    return importlib.import_module("rlbench.double")


def _forget():
    for name in [n for n in sys.modules if n.split(".")[0] in ("rlbench", "pyrep")]:
        del sys.modules[name]
