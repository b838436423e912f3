"""A calibrated planner: probabilities for scores, and thresholds that mean them."""

import json

import numpy as np
import pytest

from equigrasp import build_model, load_model, save_model
from equigrasp.calibration import Calibration
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
