"""What the command line makes of an evaluation: settings, scenes, rows, lost rounds."""

import json

import pytest

from equigrasp.detection import DetectionConfig
from equigrasp.hand import PANDA
from sim.clutter import run, scene_lists
from sim.clutter.metrics import summarise
from sim.clutter.protocol import EvalSettings
from sim.clutter.protocol_files import load_protocol
from sim.clutter.run import public_settings, read_rounds, run_evaluation
from sim.clutter_eval import main, parser
from sim.workers.jobs import Failed, Ok

PILE = ["--scene", "pile", "--model", "antipodal", "--rounds", "2", "--seeds", "2"]


def record(seed, index, outcomes=(True, False), objects=4):
    attempts = [
        {"success": s, "fate": "SLIPPED", "object": "a" if s else None, "timings": {}}
        for s in outcomes
    ]
    told = {"seed": seed, "round": index, "objects": objects, "object_ids": ["a"] * objects}
    return {**told, "attempts": attempts, "lost": [], "end": "failures", "seconds": 1.0}


@pytest.fixture
def asked(monkeypatch):
    """Runs of the command, without playing: (settings, keys of the scenes, folder) of each row."""
    rows = []

    def play(settings, scenes, out, **options):
        rows.append((settings, list(scenes), out.name))
        summary = summarise([record(*key) for key in scenes])
        return summary | {"settings": public_settings(settings)}

    def build(settings, keys, workers, engine, on_built):
        rows.append((settings, list(keys), "built"))
        for key in keys:
            on_built(key, None)

    hand = classmethod(lambda kind, model, asked=None: asked or PANDA)  # no weights are loaded
    monkeypatch.setattr("sim.clutter.planners.model.ModelPlanner.hand_for", hand)
    told = "sim.clutter.fingerprint.fingerprint"  # reads every source otherwise
    monkeypatch.setattr(told, lambda model, scene: f"{model} {scene}")
    monkeypatch.setattr("sim.clutter.run.run_evaluation", play)
    monkeypatch.setattr("sim.clutter.pictures.write_pictures", lambda *rest: None)
    monkeypatch.setattr("sim.clutter.scene_lists.build_scene_list", build)
    monkeypatch.setattr("sim.clutter.scene_lists.write_scene_list", lambda *rest: None)
    monkeypatch.delenv("EQUIGRASP_SIZE", raising=False)
    return rows


def test_without_options_it_is_the_published_evaluation_of_held_out_objects(asked, tmp_path):
    assert main(["--scene", "pile", "--out", str(tmp_path)]) == 0
    (built, _, _), (settings, keys, _) = asked
    assert built == settings
    assert settings.fingerprint == "equiigd_pile pile"
    told = {name: getattr(settings, name) for name in ("scene", "view", "noise", "split", "model")}
    assert told == {
        "scene": "pile",
        "view": "fixed",
        "noise": "gamma",
        "split": "test",
        "model": "equiigd_pile",
    }
    assert (settings.objects, settings.num_objects, settings.trial) == ("default", 5, "lift")
    assert (settings.max_failures, settings.avoid, settings.detection) == (2, False, {})
    assert keys == [(seed, index) for seed in range(5) for index in range(20)]
    assert EvalSettings().split == parser().get_default("split") == "test"


def test_thresholds_reach_the_settings_and_the_nearest_wins(asked, tmp_path):
    wanted = {"quality_threshold": 0.3, "max_peaks": 9, "lattice": 60}
    (tmp_path / "mine.json").write_text(json.dumps(wanted))
    arguments = [*PILE, "--protocol", "giga", "--out", str(tmp_path / "out")]
    arguments += ["--planner-config", str(tmp_path / "mine.json")]
    assert main([*arguments, "--set", "max_peaks=7", "--set", "centre=true"]) == 0
    found = asked[-1][0].detection
    assert {k: found[k] for k in (*wanted, "centre")} == {**wanted, "max_peaks": 7, "centre": True}
    DetectionConfig(**found)
    (name, value), *_ = load_protocol("giga").common["detection"].items()
    again = [*PILE, "--protocol", "giga", "--set", f"{name}={0.5 * value}"]
    assert main([*again, "--view", "random", "--out", str(tmp_path / "again")]) == 0
    assert asked[-1][0].detection[name] == 0.5 * value
    assert main([*PILE, "--view", "random", "--out", str(tmp_path / "view")]) == 0
    assert asked[-1][0].view == "random"


def test_a_protocols_choices_stand_until_an_option_says_otherwise(asked, tmp_path):
    common = [*PILE, "--protocol", "contact", "--view", "random"]
    assert main([*common, "--out", str(tmp_path / "a")]) == 0
    asked_for = ["--noise", "none", "--num-objects", "3", "--max-failures", "4", "--avoid"]
    options = ["--trial", "lift_and_shake", *asked_for]
    assert main([*common, *options, "--out", str(tmp_path / "b")]) == 0
    plain, chosen = asked[1][0], asked[3][0]
    published = EvalSettings(**load_protocol("contact").settings("pile", "random"))
    names = ("protocol", "noise", "trial", "physics", "viewpoint", "max_failures", "avoid")
    for name in names:
        assert getattr(plain, name) == getattr(published, name)
    assert plain.physics
    assert plain.viewpoint
    assert (chosen.noise, chosen.num_objects, chosen.max_failures) == ("none", 3, 4)
    assert (plain.noise_sigma, chosen.noise_sigma) == (0.0008, None)
    assert (chosen.avoid, chosen.trial) == (True, "lift_and_shake")
    assert (chosen.physics, chosen.viewpoint) == (plain.physics, plain.viewpoint)


@pytest.mark.parametrize(
    ("choice", "model", "rows"),
    [
        ("on", "antipodal", [("rectified", True)]),
        ("off", "antipodal", [("raw", False)]),
        ("both", "antipodal", [("rectified", True), ("raw", False)]),
        ("both", "oracle", [("rectified", True)]),
    ],
)
def test_raw_rows_are_raw(asked, tmp_path, capsys, choice, model, rows):
    arguments = [*PILE, "--model", model, "--table-rectify", choice, "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert [(name, s.table_rectify) for s, _, name in asked if name != "built"] == rows
    table = (tmp_path / "table.md").read_text()
    for name, _ in rows:
        assert f"| pile fixed {model} {name} | 50.0 | 0.0 | 50.0 to 50.0 | 25.0 |" in table
    assert table in capsys.readouterr().out


def test_split_and_objects_are_those_asked_for(monkeypatch):
    """They reach the worker that draws the scene, and it asks for no other objects."""
    jobs, drawn = [], []
    monkeypatch.setattr(scene_lists, "run_jobs", lambda function, given, **rest: jobs.extend(given))
    settings = EvalSettings(scene="packed", objects="limit", split="val", num_objects=2)
    scene_lists.build_scene_list(settings, [(3, 4)], workers=1)
    (job,) = jobs
    assert (job.key, job.kwargs["seed"], job.kwargs["index"]) == ((3, 4), 3, 4)
    original = scene_lists.find_kind("packed").objects

    def load(names, rule, split, report):
        drawn.append((names, rule == original, split))
        raise LookupError

    monkeypatch.setattr("sim.objects.load.load_objects", load)
    with pytest.raises(LookupError):
        scene_lists.build_round(**job.kwargs)
    assert drawn == [("limit", True, "val")]


class Workers:
    """Stands in for the worker processes: rounds of `lost` crash, the others have a record."""

    def __init__(self, *lost):
        self.lost, self.asked = lost, []

    def __call__(self, function, jobs, *, on_result, **options):
        assert function == "sim.clutter.rounds:run_round"
        for job in jobs:
            self.asked.append(job.key)
            if job.key in self.lost:
                on_result(Failed(job.key, "crash", "the worker died", "no traceback", 2))
            else:
                on_result(Ok(job.key, record(*job.key), 1, 1.0, 1.0))


class AnyScene:
    def to_json(self):
        return "{}"


def test_lost_rounds_are_counted_apart_told_and_played_again(monkeypatch, tmp_path, capsys):
    from sim.clutter.figures import report

    scenes = {(seed, index): AnyScene() for seed in range(2) for index in range(2)}
    monkeypatch.setattr(run, "run_jobs", Workers((1, 0)))
    settings = EvalSettings(model="some/folder/mine")
    summary = run_evaluation(settings, scenes, tmp_path)
    assert summary["settings"]["model"] == "mine"
    assert (summary["rounds"], summary["crashed_rounds"]) == (3, 1)
    assert (summary["successes"], summary["attempts"], summary["objects"]) == (3, 6, 12)
    assert summary["ends"] == {"failures": 3}
    assert [(r["seed"], r["round"]) for r in read_rounds(tmp_path / "rounds.jsonl")] == [
        (0, 0),
        (0, 1),
        (1, 1),
    ]
    assert "round (1, 0) lost (crash)" in capsys.readouterr().out
    assert json.loads((tmp_path / "summary.json").read_text())["crashed_rounds"] == 1
    assert "mine: 1 of 4 rounds were lost to a crash" in report([("mine", summary)])

    again = Workers()
    monkeypatch.setattr(run, "run_jobs", again)
    whole = run_evaluation(settings, scenes, tmp_path)
    assert again.asked == [(1, 0)]
    assert (whole["rounds"], whole["crashed_rounds"]) == (4, 0)
    assert "lost to a crash" not in report([("mine", whole)])


def test_an_evaluation_that_lost_every_round_has_no_figures(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "run_jobs", Workers((0, 0)))
    with pytest.raises(RuntimeError, match="every round failed"):
        run_evaluation(EvalSettings(), {(0, 0): AnyScene()}, tmp_path)
    assert not (tmp_path / "summary.json").exists()


def test_rounds_beyond_those_asked_for_count_in_no_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "run_jobs", Workers())
    scenes = {(0, index): AnyScene() for index in range(3)}
    run_evaluation(EvalSettings(), scenes, tmp_path)
    fewer = run_evaluation(EvalSettings(), {(0, 1): AnyScene()}, tmp_path)
    assert (fewer["rounds"], fewer["attempts"]) == (1, 2)
