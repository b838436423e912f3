"""Models read the hand and the workspace that they were built with."""

import json
from dataclasses import replace

import pytest
import torch

from equigrasp.hand import PANDA
from equigrasp.models.base import GraspField
from equigrasp.nn.hand_points import hand_grid
from equigrasp.registry import build_model, model_classes
from equigrasp.weights import load_model, save_model, shipped_names

WIDE = replace(PANDA, name="wide", opening=0.16, finger_depth=0.08)
SMALL = {
    "equigiga": {"fields": 2, "head_fields": 2, "head_blocks": 1},
    "equiigd": {"fields": 2, "hidden_fields": 4, "head_blocks": 1, "flow_fields": 2},
    "giga": {"channels": 4, "blocks": 1},
    "igd": {"channels": 4, "blocks": 1, "flow_hidden": 8},
    "pointnet": {"points": 96, "neighbours": 4, "channels": 4},
    "vgn": {"filters": (2, 2, 2)},
}


def make(name, **options):
    torch.manual_seed(0)
    return build_model(name, resolution=16, **SMALL[name], **options)


def raw_width(model):
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(1, 9, 3, generator=generator) - 0.5
    scene = torch.rand(1, 16, 16, 16, generator=generator)
    with torch.no_grad():
        return model.query_raw(model.encode(scene), points, ("width",)).width


@pytest.mark.parametrize("name", sorted(model_classes()))
def test_the_card_names_hand_and_workspace_and_gives_them_back(name, tmp_path):
    model = make(name, hand=WIDE.to_dict(), workspace_side=0.6, table_height=0.1)
    save_model(model, tmp_path / "net")
    config = json.loads((tmp_path / "net.json").read_text())["config"]
    assert config["hand"]["opening"] == 0.16
    loaded = load_model(tmp_path / "net")
    assert loaded.hand == WIDE
    assert (loaded.workspace.side, loaded.workspace.table_height) == (0.6, 0.1)
    assert loaded.resolution == loaded.workspace.resolution == 16


@pytest.mark.parametrize("name", sorted(model_classes()))
def test_widths_end_at_the_opening_of_the_hand(name):
    wide = GraspField(width=torch.tensor([[-1.0, 0.1, 1.0]]))
    found = make(name).finish(wide).width.tolist()
    assert found == [[0.0, pytest.approx(0.08), pytest.approx(0.08)]]
    found = make(name, hand=WIDE).finish(wide).width.tolist()
    assert found == [[0.0, pytest.approx(0.1), pytest.approx(0.16)]]


@pytest.mark.parametrize("name", ["equigiga", "giga", "vgn"])
def test_raw_widths_are_in_units_of_hand_or_workspace(name):
    scale = {"hand": WIDE} if name == "equigiga" else {"workspace_side": 0.6}
    torch.testing.assert_close(raw_width(make(name, **scale)), 2 * raw_width(make(name)))


def test_the_grid_spans_the_fingers():
    grid = 0.6 * hand_grid(WIDE, 0.6, 0.05)
    assert grid[:, 0].abs().max() == 0
    assert grid[:, 1].max() == pytest.approx(0.08)
    assert grid[:, 2].min() == pytest.approx(0.05 - 0.08)  # finger root
    assert grid[:, 2].max() == pytest.approx(0.05)  # tip, one setback before the query point


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_models_are_for_the_panda(name):
    assert load_model(name).hand == PANDA


def test_cards_that_name_no_hand_mean_the_panda(tmp_path):
    save_model(build_model("giga", resolution=16), tmp_path / "old")
    path = tmp_path / "old.json"
    card = json.loads(path.read_text())
    del card["config"]["hand"], card["digest"]
    path.write_text(json.dumps(card))
    with pytest.warns(UserWarning, match="holds no digest"):
        model = load_model(tmp_path / "old")
    assert "hand" not in model.card["config"]
    assert model.hand == PANDA


def test_hands_that_are_none_are_refused():
    with pytest.raises(ValueError, match="'opening'"):
        build_model("giga", hand={"name": "mine"})
    with pytest.raises(ValueError, match="side is 50"):
        build_model("giga", workspace_side=50)
