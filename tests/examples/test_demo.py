"""The demo: one scene of each kind is cleared, told and drawn."""

import importlib
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module("demo")
    sys.modules.pop("demo")


@pytest.mark.parametrize("simulator", ["pybullet", "mujoco"])
def test_both_scenes_are_cleared_told_and_drawn(demo, tmp_path, capsys, simulator):
    options = ["--out", str(tmp_path), "--model", "antipodal", "--simulator", simulator]
    assert demo.main(options) == 0
    said = capsys.readouterr().out
    for kind in ("packed", "pile"):
        assert f"== {kind}: 5 objects" in said
        assert (tmp_path / f"{kind}_story.png").stat().st_size > 10_000
    assert said.count("objects cleared in") == 2


def test_unknown_weights_are_said_in_one_line(demo, tmp_path, capsys):
    assert demo.main(["--out", str(tmp_path), "--model", "no_such_model"]) == 1
    assert "no_such_model" in capsys.readouterr().out
