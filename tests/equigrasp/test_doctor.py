import json

import numpy as np
import pytest

from equigrasp import build_model, doctor, save_model, self_test
from equigrasp.doctor import Check, check_fusion, check_import, check_model, check_versions, main
from equigrasp.perception.camera import DEFAULT_INTRINSICS, depth_to_points, fixed_view

GOOD = {"numpy": "1.26.4", "escnn": "1.0.11", "pybullet": "3.2.7"}


@pytest.fixture
def saved(tmp_path):
    """A small random model on disk."""
    model = build_model("equigiga", fields=2, head_fields=4)
    save_model(model, tmp_path / "tiny", {"note": "kept"})
    return tmp_path / "tiny"


def statuses(checks):
    return {check.name: check.status for check in checks}


def test_good_versions():
    assert statuses(check_versions(GOOD, (3, 11))) == {"versions": "ok"}


@pytest.mark.parametrize(
    ("change", "python", "name", "status", "remedy"),
    [
        ({"numpy": "2.1.0"}, (3, 11), "numpy and escnn", "fail", "numpy<2"),
        ({"escnn": None}, (3, 11), "escnn", "warn", "pip install"),
        ({"pybullet": None}, (3, 11), "pybullet", "warn", "pip install"),
        ({"pybullet": None}, (3, 12), "pybullet", "warn", "3.10 or 3.11"),
    ],
)
def test_version_traps(change, python, name, status, remedy):
    versions = {k: v for k, v in (GOOD | change).items() if v is not None}
    (check,) = check_versions(versions, python)
    assert (check.name, check.status) == (name, status)
    assert remedy in check.remedy


def test_without_pybullet_mujoco_simulates():
    versions = {"numpy": "1.26.4", "escnn": "1.0.11", "mujoco": "4.0.0"}
    (check,) = check_versions(versions, (3, 11))
    assert (check.name, check.status) == ("pybullet", "warn")
    assert "simulated with MuJoCo" in check.detail


def test_numpy_two_without_escnn_is_fine_for_inference():
    versions = {"numpy": "2.1.0", "pybullet": "3.2.7"}
    assert statuses(check_versions(versions, (3, 11))) == {"escnn": "warn"}


def test_imports_are_tried_apart(tmp_path, monkeypatch):
    (tmp_path / "lacks_library.py").write_text(
        "raise ImportError('libusb-1.0.so.0: cannot open shared object file')"
    )
    (tmp_path / "dies.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert check_import("json", {}).status == "ok"
    assert check_import("surely_absent_module", {}).status == "warn"
    broken = check_import("lacks_library", doctor.LIBRARIES)
    assert broken.status == "fail"
    assert broken.remedy == "apt-get install libusb-1.0-0"
    assert check_import("dies", {}).status == "fail"


def test_fusion_of_the_fixed_scene_gives_the_known_numbers(monkeypatch):
    assert check_fusion().status == "ok"
    monkeypatch.setattr(doctor, "fixed_depth", lambda scale: self_test.fixed_depth(scale) + 0.004)
    assert check_fusion().status == "fail"


def test_fixed_scene_stands_on_the_table_inside_the_workspace():
    depth = self_test.fixed_depth()
    points = depth_to_points(depth, DEFAULT_INTRINSICS, fixed_view(), max_depth=1.9)
    raised = points[(points[:, 2] > 0.052) & (points[:, 2] < 0.3)]
    assert len(raised) > 5000
    assert raised.min(0)[:2].min() > 0
    assert raised.max() < 0.3


def test_model_without_recorded_predictions_then_with_then_with_wrong_ones(saved, monkeypatch):
    monkeypatch.setattr(doctor, "RUNS", 2)
    found = statuses(check_model(str(saved)))
    assert found["tiny: predictions"] == "warn"
    assert found["tiny: equivariance"] == "ok"
    note = self_test.record(saved)
    assert json.loads(note.read_text())["note"] == "kept"
    assert statuses(check_model(str(saved)))["tiny: predictions"] == "ok"
    card = json.loads(note.read_text())
    card["self_test"]["quality"][3] += 0.01
    note.write_text(json.dumps(card))
    assert statuses(check_model(str(saved)))["tiny: predictions"] == "fail"


def test_predictions_do_not_depend_on_chance(saved):
    from equigrasp import load_model

    first, second = (self_test.predictions(load_model(saved)) for _ in range(2))
    assert self_test.difference(first, second) == 0
    assert np.ptp(first["quality"]) > 1e-3


def test_difference_of_unlike_records_is_infinite():
    assert self_test.difference({}, {"quality": [0.1]}) == float("inf")
    assert self_test.difference({"quality": [0.1, 0.2]}, {"quality": [0.1]}) == float("inf")
    assert self_test.difference({"force": [0.1]}, {"quality": [0.1]}) == float("inf")
    measured = {"quality": [0.1], "width": [0.2]}
    assert self_test.difference({"quality": [0.1], "width": [0.2, 0.2]}, measured) == float("inf")


def test_cards_of_early_versions_are_compared_by_what_they_hold():
    measured = {"quality": [0.1, 0.5], "rotation": [1.0]}
    assert self_test.difference({"quality": [0.1, 0.3]}, measured) == pytest.approx(0.2)


def test_missing_model_is_a_failure_with_a_reason():
    (check,) = check_model("no-such-model")
    assert check.status == "fail"
    assert "no-such-model" in check.detail


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_exit_status_and_report(status, code, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        doctor, "diagnose", lambda *_, **__: [Check("thing", status, "seen", "mend it")]
    )
    assert main(["--json", str(tmp_path / "out.json")]) == code
    printed = capsys.readouterr().out
    assert "thing: seen" in printed
    assert ("mend it" in printed) == (status != "ok")
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["checks"][0]["status"] == status
    assert report["system"]["torch"]


def test_a_check_that_breaks_counts_as_failed(monkeypatch):
    def broken():
        raise RuntimeError("boom")

    monkeypatch.setattr(doctor, "check_fusion", broken)
    monkeypatch.setattr(doctor, "check_import", lambda *_: [])
    checks = [*doctor.diagnose(["no-such-model"])]
    assert any("boom" in check.detail and check.status == "fail" for check in checks)


def test_record_needs_a_model(saved, capsys):
    assert main(["--record"]) == 2
    assert main(["--record", "--model", str(saved)]) == 0
    assert "tiny.json" in capsys.readouterr().out
    card = json.loads(saved.with_suffix(".json").read_text())
    assert set(card["self_test"]) == {"quality", "rotation", "width", "occupancy"}
    assert len(card["self_test"]["rotation"]) == 9 * len(card["self_test"]["quality"])
