"""The hand of an evaluation: whose it is, what it is refused with, and what it changes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from equigrasp.hand import PANDA, Box, load_hand
from equigrasp.weights import load_model
from sim.clutter.planners import planner_class
from sim.clutter.planners.antipodal import AntipodalPlanner, sample_grasps
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import run_round
from sim.clutter.run import SettingsMismatchError, public_settings, run_evaluation
from sim.clutter.scene_lists import build_round

WIDE = replace(PANDA, name="wide", opening=0.2)


def test_planners_without_weights_take_any_hand():
    for name in ("antipodal", "oracle"):
        assert planner_class(name).hand_for(name) == PANDA
        assert planner_class(name).hand_for(name, WIDE) == WIDE


def test_a_model_keeps_to_its_hand():
    planner = planner_class("giga_pile")
    assert planner.hand_for("giga_pile") == load_model("giga_pile").hand == PANDA
    assert planner.hand_for("giga_pile", PANDA) == PANDA
    with pytest.raises(ValueError, match="giga_pile.*'panda'.*'wide'"):
        planner.hand_for("giga_pile", WIDE)


def test_a_hand_whose_files_the_card_does_not_place_has_to_be_given(monkeypatch):
    import equigrasp.weights

    class Own:
        hand = replace(PANDA, name="own", urdf="own.urdf", finger_joints=("left", "right"))

    monkeypatch.setattr(equigrasp.weights, "load_model", lambda name: Own)
    planner = planner_class("some_weights")
    with pytest.raises(ValueError, match="'own'.*own.urdf.*--hand"):
        planner.hand_for("some_weights")
    here = replace(Own.hand, urdf="/some/folder/own.urdf")
    assert planner.hand_for("some_weights", here).urdf == "/some/folder/own.urdf"


def test_rounds_are_played_with_the_hand():
    rows = {}
    scene = build_round("packed", "random_urdfs", "test", 1, 0, 0)
    for hand in (PANDA, load_hand("robotiq_2f85")):
        for model in ("antipodal", "oracle"):
            settings = EvalSettings(
                "packed", objects="random_urdfs", model=model, hand=hand.to_dict()
            )
            record = run_round(settings.to_dict(), scene, 0, 0, hand.to_dict(folders=True))
            rows[hand.name, model] = record["attempts"]
            assert record["attempts"][0]["success"]
    for model in ("antipodal", "oracle"):
        assert rows["panda", model][0]["pose"] != rows["robotiq_2f85", model][0]["pose"]


def test_the_command_line_refuses_it_too(tmp_path, capsys):
    from sim.clutter_eval import main

    (tmp_path / "wide.yaml").write_text(json.dumps(WIDE.to_dict()))
    arguments = ["--scene", "pile", "--model", "giga_pile", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--hand", str(tmp_path / "wide.yaml")]) == 2
    message = capsys.readouterr().err
    assert "'panda'" in message
    assert "'wide'" in message
    assert main([*arguments, "--hand", "no_such_hand"]) == 2


def test_settings_of_before_there_were_hands_are_those_of_the_panda(tmp_path):
    settings = EvalSettings(objects="random_urdfs")
    assert settings.hand == PANDA.to_dict()
    run_evaluation(settings, {}, tmp_path)
    old = json.loads((tmp_path / "settings.json").read_text())
    del old["hand"]
    assert EvalSettings(**old) == settings
    (tmp_path / "settings.json").write_text(json.dumps(old))
    run_evaluation(settings, {}, tmp_path)
    with pytest.raises(SettingsMismatchError, match="hand"):
        run_evaluation(replace(settings, hand=WIDE.to_dict()), {}, tmp_path)


def test_result_files_name_the_hand():
    assert public_settings(EvalSettings(hand=WIDE.to_dict()))["hand"] == "wide"


def cloud(half_width):
    """A square box 6 cm high in the middle of the table: points, normals."""
    rng = np.random.default_rng(0)
    half = np.array([half_width, half_width, 0.03])
    points, normals = rng.uniform(-1, 1, (900, 3)) * half, np.zeros((900, 3))
    face, sign = rng.integers(0, 3, 900), rng.choice([-1.0, 1.0], 900)
    rows = np.arange(900)
    points[rows, face] = sign * half[face]
    normals[rows, face] = sign
    return points + [0.15, 0.15, 0.08], normals


def test_a_wider_hand_closes_on_wider_things():
    found = {}
    for hand in (PANDA, WIDE):
        for half in (0.02, 0.045):
            grasps = sample_grasps(*cloud(half), np.random.default_rng(0), hand)
            found[hand.name, half] = [grasp.width for grasp in grasps]
    assert 0.039 < max(found["panda", 0.02]) <= PANDA.opening
    assert max(found["panda", 0.045]) <= PANDA.opening  # at the edges
    assert PANDA.opening < max(found["wide", 0.045]) <= WIDE.opening


def test_fingers_keep_clear_in_all_their_thickness():
    plump = replace(PANDA, name="plump", finger_box=Box((-0.0115, 0, -0.046), (0.0115, 0.1, 0)))
    points, normals = cloud(0.02)
    neighbours = [[0.0, 0, 0], [0.09, 0, 0], [0, 0.09, 0]]
    crowd = np.concatenate([points + offset for offset in neighbours])

    def touched(hand):
        """Whether a finger of the plump hand would touch a point at any of the grasps."""
        for grasp in sample_grasps(crowd, np.tile(normals, (3, 1)), np.random.default_rng(0), hand):
            x, y, z = ((crowd - grasp.position) @ grasp.rotation).T
            slab = (np.abs(x) < 0.0115) & (z < 0) & (z > -0.046)
            if (slab & (np.abs(y) > 0.04) & (np.abs(y) < 0.14)).any():
                return True
        return False

    assert AntipodalPlanner(plump).hand is plump
    assert touched(PANDA)
    assert not touched(plump)
