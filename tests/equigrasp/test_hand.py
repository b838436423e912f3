"""Hands as values: what they refuse, how they are written down and read."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import yaml

from equigrasp.hand import PANDA, Box, Hand, load_hand, require_same_hand

ROOT = Path(__file__).parents[2]
SMALL = {
    "name": "small",
    "opening": 0.05,
    "finger_depth": 0.03,
    "tcp_from_base": 0.1,
    "palm_box": {"lower": [-0.02, -0.04, -0.1], "upper": [0.02, 0.04, -0.03]},
    "finger_box": [[-0.01, 0.0, -0.03], [0.01, 0.01, 0.0]],
}


def test_the_panda_file_describes_the_panda():
    path = ROOT / "configs" / "hand" / "panda.yaml"
    values = yaml.safe_load(path.read_text())
    assert Hand.of(values) == PANDA
    assert set(values) == {f.name for f in fields(Hand)} - {"urdf", "finger_joints"}
    assert load_hand("panda") == PANDA


def test_hands_come_back_from_json():
    for hand in (PANDA, Hand.of(SMALL), load_hand("robotiq_2f85")):
        assert Hand.of(json.loads(json.dumps(hand.to_dict()))) == hand
        assert hash(Hand.of(hand.to_dict())) == hash(hand)


def test_what_is_given_away_names_no_folder():
    hand = replace(PANDA, palm_mesh="/home/someone/palm.obj", urdf="a/b.urdf", finger_joints="lr")
    shared = hand.to_dict()
    assert (shared["palm_mesh"], shared["urdf"]) == ("palm.obj", "b.urdf")
    assert shared["finger_mesh"] == PANDA.finger_mesh
    assert Hand.of(hand.to_dict(folders=True)) == hand
    assert Hand.of(shared) != hand
    require_same_hand(hand, "this", Hand.of(shared), "that")


def test_files_are_found_beside_the_yaml(tmp_path):
    values = {**SMALL, "palm_mesh": "meshes/palm.obj", "finger_mesh": "pybullet_data:f.obj"}
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(values))
    hand = load_hand(path)
    assert hand.palm_mesh == str(tmp_path / "meshes" / "palm.obj")
    assert hand.finger_mesh == "pybullet_data:f.obj"
    assert hand.palm_box == Box((-0.02, -0.04, -0.1), (0.02, 0.04, -0.03))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"opening": 0.0}, r"opening is 0\.0; it lies in \(0\.0, 0\.5\]"),
        ({"opening": "wide"}, "opening is 'wide'; give a number"),
        ({"friction": float("nan")}, "friction is nan"),
        ({"name": ""}, "name is empty"),
        ({"palm_box": [[0, 0, 0], [1, 1, 0]]}, "its lower corner is not below"),
        ({"finger_box": [0.1, 0.2, 0.3]}, "give its lower and its upper corner"),
        ({"finger_box": [[-0.01, 0.002, -0.03], [0.01, 0.01, 0.0]]}, "its pad lies at y = 0"),
        ({"masses": None}, "masses is None; give 2 numbers"),
        ({"base_rpy": [0, 0]}, "base_rpy is .*; give 3 numbers"),
        ({"base_rpy": [0, 0, "x"]}, "base_rpy is .*; give 3 numbers"),
        ({"masses": [0.8, 0.0]}, "masses are .* above 0"),
        ({"urdf": "hand.urdf"}, "two finger_joints"),
        ({"colour": "red"}, r"\['colour'\] are unknown"),
    ],
)
def test_a_hand_that_cannot_be_is_refused(entries, message):
    with pytest.raises(ValueError, match=message):
        Hand.of({**SMALL, **entries})


def test_a_hand_with_too_little_is_refused():
    with pytest.raises(ValueError, match=r"\['opening'\] are missing"):
        Hand.of({name: value for name, value in SMALL.items() if name != "opening"})
    with pytest.raises(ValueError, match="not by 3"):
        Hand.of(3)


def test_an_unknown_name_gets_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="panda, robotiq_2f85, or a YAML file"):
        load_hand("pandora")
    with pytest.raises(ValueError, match=r"no file .*none\.yaml"):
        load_hand(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["opening: [", "- 1", "opening: 0.1"])
def test_a_file_that_is_no_hand_is_named(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"odd\.yaml"):
        load_hand(path)


def test_hands_that_differ_are_both_named():
    other = replace(PANDA, name="wide", opening=0.12)
    require_same_hand(PANDA, "the model", Hand(**asdict(PANDA)), "data/pile")
    with pytest.raises(ValueError, match="the model is for the hand 'panda', data/pile for 'wide'"):
        require_same_hand(PANDA, "the model", other, "data/pile")


def test_the_example_in_the_docs_is_a_hand():
    text = (ROOT / "docs" / "hands.md").read_text()
    first, second = (block.split("```")[0] for block in text.split("```yaml\n")[1:])
    assert Hand.of(yaml.safe_load(first)).name == "my_hand"
    assert Hand.of(yaml.safe_load(first + second)).finger_joints == ("left_slide", "right_slide")


@pytest.mark.parametrize("name", ["palm_box", "finger_box"])
def test_boxes_turned_inside_out_are_refused(name):
    box = getattr(PANDA, name)
    with pytest.raises(ValueError, match=name):
        replace(PANDA, **{name: Box(box.upper, box.lower)})
