"""A calibrated planner: probabilities for scores, and thresholds that mean them."""

import json

import numpy as np
import pytest
import torch

from equigrasp import build_model, load_model, save_model
from equigrasp.calibration import Calibration
from equigrasp.candidates import Candidates
from equigrasp.detection import DetectionConfig
from equigrasp.perception.camera import fixed_view

PLAIN = {"quality_floor": 0.0, "coarse_to_fine": False, "min_points_between": 0}
DOUBT = Calibration(1.4, 0.8, -0.9)
"""Says less than the score does, everywhere that scores of the tests lie."""


def calibrated(blob_planner, config):
    planner = blob_planner(config)
    planner.model.calibration = DOUBT
    return planner


def test_scores_are_probabilities_and_thresholds_mean_them(camera, depth_image, blob_planner):
    view = (depth_image(), camera, fixed_view())
    loose = DetectionConfig(quality_threshold=0.1, **PLAIN)
    plain = blob_planner(loose).plan(*view).grasps
    chances = np.sort(DOUBT([g.score for g in plain]))
    limit = float(chances[len(chances) // 2 - 1 :][:2].mean())  # between two of them
    strict = DetectionConfig(quality_threshold=limit, **PLAIN)
    found = calibrated(blob_planner, strict).plan(*view)
    expected = [g for g in plain if DOUBT(g.score) >= limit]
    assert 2 < len(expected) < len(plain)
    assert [tuple(g.position) for g in found.grasps] == [tuple(g.position) for g in expected]
    np.testing.assert_allclose(
        [g.score for g in found.grasps], DOUBT([g.score for g in expected]), atol=1e-6
    )


def test_the_order_hangs_on_where_hands_are_put(camera, depth_image, blob_planner):
    view = (depth_image(), camera, fixed_view())
    config = DetectionConfig(quality_threshold=0.0, **PLAIN)
    plain = blob_planner(config).plan(*view).grasps
    planner = blob_planner(config)
    map_ = planner.model.calibration = Calibration(pose={"height": -8.0, "down": 2.0})
    found = planner.plan(*view).grasps
    where = {tuple(g.position): g for g in plain}
    assert set(where) == {tuple(g.position) for g in found}
    for grasp in found:
        height = (grasp.position[2] - planner.workspace.table_height) / 0.1 - 0.5
        about = [
            height,
            -grasp.rotation[2, 2] - 0.7,
            grasp.width / planner.model.hand.opening - 0.5,
        ]
        raw = where[tuple(grasp.position)].score
        assert grasp.score == pytest.approx(float(map_(raw, about)), abs=1e-5)
    scores = [grasp.score for grasp in found]
    assert scores == sorted(scores, reverse=True)


def test_a_better_placed_hand_comes_first():
    tips = torch.tensor([[0.1, 0.1, 0.25], [0.2, 0.1, 0.06]])
    rotation = torch.diag(torch.tensor([1.0, -1, -1])).repeat(2, 1, 1)
    hands = Candidates(tips, rotation, torch.tensor([0.05, 0.05]), torch.tensor([0.8, 0.7]))
    found = hands.calibrated(Calibration(pose={"height": -3.0}), 0.08, 0.05)
    assert torch.equal(found.tips, tips.flip(0))
    assert found.score[0] > 0.7 > found.score[1]
    same = hands.calibrated(Calibration(), 0.08, 0.05)
    assert torch.equal(same.tips, tips)


def test_raw_thresholds_give_the_same_probabilities_back():
    config = DetectionConfig(quality_threshold=0.6, quality_floor=0.2)
    raw = config.before(DOUBT)
    both = DOUBT([raw.quality_floor, raw.quality_threshold])
    np.testing.assert_allclose(both, [0.2, 0.6], rtol=1e-9)
    assert raw.nms_window == config.nms_window
    assert config.before(Calibration()) is config


@pytest.mark.parametrize("frozen", [True, False])
def test_a_calibration_travels_in_the_card(tmp_path, frozen):
    model = build_model("equigiga", fields=2, head_fields=4)
    save_model(model, tmp_path / "bare")
    assert load_model(tmp_path / "bare", frozen=frozen).calibration.is_identity
    save_model(model, tmp_path / "tiny", {"calibration": DOUBT.to_dict()})
    assert load_model(tmp_path / "tiny", frozen=frozen).calibration == DOUBT
    note = tmp_path / "tiny.json"
    card = json.loads(note.read_text()) | {"calibration": {"a": 0.0, "b": 1.0, "c": 0.0}}
    note.write_text(json.dumps(card))
    with pytest.raises(ValueError, match="calibration has a = 0.0"):
        load_model(tmp_path / "tiny")
