"""Shipping a run: the card is complete, names no folder, and doctor finds what it predicts."""

import json
import sys
from pathlib import Path

import pytest
import torch

from equigrasp import build_model, load_model, save_model
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.saved import load_policy
from equigrasp.self_test import difference, predictions

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from seal_weights import seal
from ship_weights import ship, ship_policy


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


def test_a_policy_becomes_shipped_weights_of_half_the_size(tmp_path):
    policy = MiniDiffuser(Vocabulary(["push"]), widths=[24, 48], channels=24)
    made = {"seed": 3, "name": "other", "init": "runs/before"}
    run = save_model(policy, tmp_path / "runs" / "mine" / "model", made)
    note = ship_policy(str(run.parent), "mine", "A summary.", "Some demonstrations.", tmp_path)
    written = json.loads(note.read_text())
    assert list(written)[:4] == ["name", "licence", "summary", "data"]
    assert (written["name"], written["seed"], written["init"]) == ("mine", 3, "before")
    assert written["summary"] == "A summary. Stored in float16."
    assert note.with_suffix(".safetensors").stat().st_size < 0.6 * run.stat().st_size
    shipped = load_policy(tmp_path / "mine")
    for name, tensor in policy.state_dict().items():
        torch.testing.assert_close(shipped.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)


def without_digest(note):
    card = json.loads(note.read_text())
    note.write_text(json.dumps({key: value for key, value in card.items() if key != "digest"}))
    return card["digest"]


def test_an_old_run_is_shipped_with_digests(tmp_path):
    save_model(build_model("giga", channels=8, hidden=8), tmp_path / "run" / "model")
    digest = without_digest(tmp_path / "run" / "model.json")
    with pytest.warns(UserWarning, match="no digest"):
        note = ship(str(tmp_path / "run"), "mine", "A summary.", "Some objects.", tmp_path)
    assert json.loads(note.read_text())["digest"] == digest


def test_old_weights_are_sealed_once_and_damaged_ones_never(tmp_path):
    target = save_model(build_model("giga", channels=8, hidden=8), tmp_path / "net", {"seed": 3})
    note = target.with_suffix(".json")
    whole = note.read_text()
    digest = without_digest(note)
    assert seal(str(target))
    assert json.loads(note.read_text()) == json.loads(whole)
    assert json.loads(whole)["digest"] == digest
    assert not seal(str(target))
    save_model(build_model("giga", channels=8, hidden=8), tmp_path / "other")
    (tmp_path / "other.safetensors").replace(target)
    with pytest.raises(ValueError, match="not those of its card"):
        seal(str(target))


def test_without_weights_nothing_is_shipped(tmp_path):
    with pytest.raises(FileNotFoundError):
        ship(str(tmp_path / "nothing"), "x", "s", "o", tmp_path)
    assert not list(tmp_path.iterdir())
