"""Published protocols: what their files say, and what happens to a file that says nonsense."""

import json
from dataclasses import fields

import numpy as np
import pytest
import yaml

from equigrasp.perception.camera import fixed_view, random_view
from sim.clutter.figures import figures, object_rates, report
from sim.clutter.protocol import EvalSettings
from sim.clutter.protocol_files import FOLDER, load_protocol, protocol_names
from sim.clutter.scene_lists import build_round
from sim.clutter.viewpoints import Viewpoint

NAMES = ["contact", "egad", "evg", "giga", "vgn"]


def changed(tmp_path, change):
    """The protocol of GIGA in a file of one's own, changed."""
    values = yaml.safe_load((FOLDER / "giga.yaml").read_text())
    change(values)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def test_the_published_ones_are_there():
    assert protocol_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_scene_and_view_has_settings_that_survive_json(name):
    protocol = load_protocol(name)
    for scene in protocol.scenes:
        for view in protocol.views:
            settings = EvalSettings(**protocol.settings(scene, view))
            assert EvalSettings.from_json(json.dumps(settings.to_dict())) == settings
            assert (settings.protocol, settings.view) == (name, view)
        assert protocol.settings(scene)["view"] == protocol.view
        assert protocol.results(scene, protocol.view)
    assert protocol.cannot_reproduce
    assert all(row.source for row in protocol.published)


@pytest.mark.parametrize("name", NAMES)
def test_published_rates_are_percent_and_belong_to_views_that_exist(name):
    protocol = load_protocol(name)
    for row in protocol.published:
        assert row.view in (None, *protocol.views)
        assert all(rate[0] is None or 0 <= rate[0] <= 100 for rate in (row.gsr, row.dr))


def test_the_views_of_the_project_are_those_of_the_protocols():
    """GIGA's side view, and EVG's random views from one generator, to the last bit."""
    (fixed,) = Viewpoint.of(load_protocol("giga").views["fixed"]).draw(np.random.default_rng(0))
    np.testing.assert_array_equal(fixed, fixed_view())
    evg = Viewpoint.of(load_protocol("evg").views["random"])
    (drawn,) = evg.draw(np.random.default_rng(7))
    np.testing.assert_array_equal(drawn, random_view(np.random.default_rng(7)))


def test_cameras_of_a_ring_are_turns_of_the_first_about_the_target():
    ring = Viewpoint.of(load_protocol("vgn").views["ring"])
    poses = ring.draw(np.random.default_rng(0))
    assert len(poses) == 6
    target = np.array(ring.target)
    for i, pose in enumerate(poses):
        c, s = np.cos(i * np.pi / 3), np.sin(i * np.pi / 3)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        np.testing.assert_allclose(pose[:3, :3], turn @ poses[0][:3, :3], atol=1e-12)
        np.testing.assert_allclose(
            pose[:3, 3] - target, turn @ (poses[0][:3, 3] - target), atol=1e-12
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(frictoin=1), "the protocol has no 'frictoin'"),
        (lambda v: v.pop("camera"), "the protocol lacks 'camera'"),
        (lambda v: v["camera"].pop("fx"), "fx"),
        (lambda v: v["camera"].update(fx=-1.0), "fx=-1.0"),
        (lambda v: v["noise"].update(sgima=1), "noise has no 'sgima'"),
        (lambda v: v["noise"].update(kind="salt"), "noise is 'salt'"),
        (lambda v: v["views"]["fixed"].pop("polar"), "polar is missing"),
        (lambda v: v["views"]["fixed"].update(roll=[0, 0]), "a view has no 'roll'"),
        (lambda v: v["views"]["random"].update(radius=[0.7, 0.5]), r"radius is \[0.7, 0.5\]"),
        (lambda v: v["views"]["random"].update(count=0), "count is 0"),
        (lambda v: v.update(view="top"), "no view 'top'"),
        (lambda v: v["scenes"].update(heap={"scales": [1, 1]}), "scene is 'heap'"),
        (lambda v: v["scenes"]["pile"].update(scales=[0.0, 1.0]), r"scales are \[0.0, 1.0\]"),
        (lambda v: v["scenes"]["pile"].update(colour=1), "scenes.pile has no 'colour'"),
        (lambda v: v.update(trial="throw"), "trial is 'throw'"),
        (lambda v: v.update(max_failures=0), "max_failures is 0"),
        (lambda v: v.update(physics={"wieght": 1}), "wieght"),
        (lambda v: v.update(physics={"mass": [0.5, 0.1]}), r"mass is \[0.5, 0.1\]"),
        (lambda v: v.update(finger_friction=-1.0), "finger_friction is -1.0"),
        (lambda v: v["published"][0].update(gsr=[172.5, 1.0]), r"published\[0\].gsr"),
        (lambda v: v["published"][0].pop("source"), r"published\[0\] lacks 'source'"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_its_key(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        load_protocol(changed(tmp_path, change))


def test_an_unknown_name_and_no_yaml_are_told(tmp_path):
    with pytest.raises(ValueError, match="no protocol is called 'gigga'; give one of contact"):
        load_protocol("gigga")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1,")
    with pytest.raises(ValueError, match="is not YAML"):
        load_protocol(str(broken))
    broken.write_text("!!python/object/apply:os.getcwd []")
    with pytest.raises(ValueError, match="is not YAML"):
        load_protocol(str(broken))


def test_scales_of_a_scene_are_those_asked_for():
    asked = [0.71, 0.72]
    text = build_round("packed", "random_urdfs", "test", 3, 0, 0, scales=asked)
    found = [body["scale"] for body in json.loads(text)["bodies"]]
    assert found
    assert all(asked[0] <= scale <= asked[1] for scale in found)
    usual = build_round("packed", "random_urdfs", "test", 3, 0, 0)
    assert usual == build_round("packed", "random_urdfs", "test", 3, 0, 0, scales=[0.7, 0.9])


def test_objects_weigh_what_the_protocol_says():
    """In the list of scenes, in the world that is built from it, and after an attempt."""
    from sim.clutter.rounds import Round
    from sim.scene.builders import Scene

    fields = load_protocol("contact").settings("packed")
    settings = EvalSettings(**{**fields, "objects": "random_urdfs"})
    text = build_round("packed", "random_urdfs", "test", 3, 0, 0, None, settings.physics)
    played = Round(settings, Scene.from_json(text), 0, 0)
    with played.laid_out() as world:
        played.rehearsal(world).standing.build(world, played.objects)
        assert world.bodies
        for body in world.bodies:
            assert world.mass(body) == pytest.approx(0.5)
            assert world.friction(body) == pytest.approx(1.0)


def test_a_kind_with_scales_of_its_own_refuses_others():
    from dataclasses import replace

    from sim.scene.kinds import find_kind

    rigid = replace(find_kind("pile"), scales=None)
    assert rigid.scaled(None) is rigid
    with pytest.raises(ValueError, match="'pile' have scales of their own"):
        rigid.scaled([0.5, 0.6])


def summary(**more):
    rate = {"mean": 90.0, "std": 1.0, "interval": [88.0, 92.0]}
    known = {"gsr": rate, "dr": rate, "successes": 9, "attempts": 10, "objects": 10, "rounds": 2}
    known |= {"rounds_without_grasp": 0, "objects_lost": 0, "latency_ms": {}, "per_object": {}}
    return {**known, "settings": {"scene": "packed", "view": "random"}, **more}


def test_the_report_puts_published_figures_beside_ours():
    per_object = {"mug": {"present": 4, "cleared": 1}, "box": {"present": 3, "cleared": 3}}
    rows = [("ours", summary(per_object=per_object))]
    protocol = load_protocol("contact")
    text = report(rows, protocol)
    assert text.startswith(figures(rows))
    assert "| OrbitGrasp | packed | 98.3 | 0.7 | 98.8 | 0.6 | EVG Table II (copied there) |" in text
    assert "| pile |" not in text
    assert "| mug | 1 | 4 |" in text
    assert "1 of 2 objects were cleared" in text
    assert all(sentence in text for sentence in protocol.cannot_reproduce)
    assert "Published" not in report(rows)
    assert "calibration" not in report(rows)
    known = summary(ece=0.083, reliability=[{}] * 4)
    assert "error of the scores 8.3 %, over 10 attempts in 4 bins" in report([("ours", known)])


def test_the_table_holds_what_became_of_failed_attempts():
    failures = {"EMPTY_CLOSE": 1, "SLIPPED": 4}
    head, _, some, none = figures(
        [("a", summary(failures=failures)), ("b", summary(failures={}))]
    ).split("\n")
    column = head.split(" | ").index("failed attempts")
    assert some.split(" | ")[column] == "4 slipped, 1 empty close"
    assert none.split(" | ")[column] == "-"


def test_objects_that_fail_most_come_first():
    found = {str(i): {"present": 10, "cleared": i % 10} for i in range(40)}
    text = object_rates("x", found)
    assert text.index("| 0 | 0 | 10 |") < text.index("| 1 | 1 | 10 |")
    assert "25 more stand in summary.json" in text
    assert object_rates("x", {"a": {"present": 1, "cleared": 1}}).endswith("were there.")


def test_settings_files_of_before_there_were_protocols_are_resumed(tmp_path):
    from sim.clutter.run import SettingsMismatchError, run_evaluation

    settings = EvalSettings(objects="random_urdfs")
    run_evaluation(settings, {}, tmp_path)
    names = [f.name for f in fields(EvalSettings)]
    new = names[names.index("protocol") :]
    kept = {k: v for k, v in settings.to_dict().items() if k not in new}
    (tmp_path / "settings.json").write_text(json.dumps(kept))
    run_evaluation(settings, {}, tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps(kept))
    with pytest.raises(SettingsMismatchError, match="max_failures=2 .now 3."):
        run_evaluation(EvalSettings(objects="random_urdfs", max_failures=3), {}, tmp_path)


def test_the_command_plays_a_protocol_and_options_override_it(tmp_path, capsys):
    from sim.clutter_eval import main

    out = tmp_path / "out"
    arguments = ["--scene", "packed", "--protocol", "contact", "--model", "antipodal"]
    arguments += ["--objects", "random_urdfs", "--num-objects", "1", "--rounds", "1"]
    arguments += ["--seeds", "1", "--workers", "1", "--table-rectify", "off"]
    assert main([*arguments, "--view", "edge", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "OrbitGrasp" in said
    assert "is not reproduced here" in (out / "table.md").read_text()
    assert json.loads((out / "scenes.json").read_text())["protocol"] == "contact"
    settings = json.loads((out / "raw" / "settings.json").read_text())
    expected = {"view": "edge", "num_objects": 1, "noise": "gaussian", "noise_sigma": 0.0008}
    assert {name: settings[name] for name in expected} == expected
    assert settings["viewpoint"]["target"] == [0.15, 0.15, 0.25]
    assert settings["finger_friction"] == 0.75

    assert main([*arguments, "--view", "fixed", "--out", str(tmp_path / "no")]) == 2
    assert "no view 'fixed'" in capsys.readouterr().err
