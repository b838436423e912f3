"""Shipping a run: the card is complete, names no folder, and doctor finds what it predicts."""

import json
import sys
from pathlib import Path

import pytest

from equigrasp import build_model, load_model, save_model
from equigrasp.self_test import difference, predictions

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from ship_weights import ship


def test_a_run_becomes_shipped_weights_with_a_complete_card(tmp_path):
    run, folder = tmp_path / "runs" / "mine", tmp_path / "shipped"
    run.mkdir(parents=True)
    folder.mkdir()
    model = build_model("giga", channels=8, hidden=8)
    card = {"seed": 3, "init": str(tmp_path / "runs" / "before" / "model"), "name": "other"}
    save_model(model, run / "model", card | {"calibration": {"a": 2.0, "b": 1.0, "c": 0.0}})
    note = ship(str(run), "mine_pile", "A summary.", "Some objects.", folder)
    written = json.loads(note.read_text())
    assert list(written)[:4] == ["name", "licence", "summary", "objects"]
    assert written["name"] == "mine_pile"
    assert written["init"] == "before"
    assert (written["seed"], written["calibration"]["a"]) == (3, 2.0)
    assert str(tmp_path) not in note.read_text()
    loaded = load_model(folder / "mine_pile")
    assert difference(written["self_test"], predictions(loaded)) == 0.0


def test_without_weights_nothing_is_shipped(tmp_path):
    with pytest.raises(FileNotFoundError):
        ship(str(tmp_path / "nothing"), "x", "s", "o", tmp_path)
    assert not list(tmp_path.iterdir())
