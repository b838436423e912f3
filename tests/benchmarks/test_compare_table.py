"""A table that grows: rows recorded before stay until the same planner plays again."""

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from compare import Column, Entry
from shared.compare_table import collect, headline, markdown, with_earlier

from equigrasp.weights import read_weights
from sim.clutter.fingerprint import fingerprint
from sim.clutter.metrics import summarise

COLUMN = {"objects": "twins", "scene": "pile", "protocol": "giga", "depth": "rectified"}


def test_a_planner_from_elsewhere_has_a_label():
    ours, theirs = Entry.of("pile", "equiigd"), Entry.of("pile", "gsnet=cmd:python x.py --a=1")
    assert (ours.model, ours.planner) == ("equiigd", "")
    assert (theirs.model, theirs.planner) == ("gsnet", "cmd:python x.py --a=1")


@pytest.mark.parametrize(
    ("model", "trained", "architecture", "setting"),
    [
        ("equiigd", "equiigd", "equiigd", None),
        ("giga_c4", "giga_c4", "giga", None),
        ("giga_c4_hr60", "giga_c4", "giga", "lattice=60"),
        ("equiigd_n1", "equiigd", "equiigd", "num_samples=1"),
        ("equiigd_told", "equiigd", "equiigd", None),
        ("giga_c4_hr60_told", "giga_c4", "giga", "lattice=60"),
    ],
)
def test_names_tell_training_from_planner_settings(model, trained, architecture, setting):
    entry = Entry("pile", model)
    assert (entry.trained, entry.architecture, entry.setting) == (trained, architecture, setting)


def test_a_planner_played_again_replaces_its_row_and_others_stay():
    def row(model: str, view: str, attempts: int) -> dict:
        return {**COLUMN, "view": view, "model": model, "attempts": attempts}

    earlier = [row("giga", "fixed", 1), row("giga", "random", 2), row("vgn", "fixed", 3)]
    found = with_earlier([row("giga", "fixed", 9), row("igd", "fixed", 4)], earlier)
    assert sorted((r["model"], r["view"], r["attempts"]) for r in found) == [
        ("giga", "fixed", 9),
        ("giga", "random", 2),
        ("igd", "fixed", 4),
        ("vgn", "fixed", 3),
    ]


def test_the_headline_is_the_worst_column_against_the_oracle_of_the_same_rounds():
    def row(model, gsr, dr, ece=None, **other):
        rates = {"gsr": {"pooled": gsr}, "dr": {"pooled": dr}, "ece": ece}
        return {**COLUMN, "view": "fixed", "model": model, **rates, **other}

    rows = [
        row("oracle", 99.0, 95.0),
        row("equiigd", 98.0, 91.0, 0.02),
        row("equiigd", 95.5, 94.0, 0.04, depth="raw"),  # the oracle reads no depth
        row("equiigd", 50.0, 50.0, 0.01, objects="limit"),  # without an oracle
        row("equigiga", 97.5, 92.0, 0.06),
        row("equigiga", 40.0, 51.0, None, objects="limit"),
        row("equigiga", 10.0, 10.0, 0.01, objects="strange"),  # without EquiIGD
        row("giga", 10.0, 10.0, 0.5),
    ]
    assert headline(rows) == {
        "equiigd_gsr_gap": 3.5,
        "equiigd_dr_gap": 4.0,
        "equigiga_gsr_behind": 10.0,
        "equigiga_dr_behind": -1.0,
        "equigiga_ece": 0.06,
        "equiigd_ece": 0.04,
        "ece": 0.06,
    }
    assert headline(rows[:1]) == {}


def test_names_of_columns_are_read_back_in_their_parts():
    column = Column("twins", "some/folder", "pile", "contact", "random", raw=True)
    parts = f"{column.name}_equiigd_n16".split("_", 5)
    assert parts == ["twins", "pile", "contact", "random", "raw", "equiigd_n16"]


@pytest.fixture
def table(tmp_path):
    """Rows and lines of a table of two evaluations on disk; one lost two of its rounds."""
    attempt = {"success": True, "fate": "SUCCESS", "object": "a", "timings": {"total": 0.1}}
    record = {"seed": 0, "round": 0, "objects": 2, "object_ids": ["a", "b"], "lost": []}
    record |= {"attempts": [attempt], "end": "no_grasp", "seconds": 1.0}
    for model, weights, lost in (("giga", "giga_pile", 2), ("oracle", "oracle", 0)):
        folder = tmp_path / f"twins_pile_giga_fixed_rectified_{model}" / "rectified"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps(summarise([record], lost)))
        told = {"model": weights, "fingerprint": fingerprint(weights, "pile")}
        (folder / "settings.json").write_text(json.dumps(told))
        (folder / "rounds.jsonl").write_text(json.dumps(record) + "\n")
    rows = collect(tmp_path)
    lines = [[text.strip() for text in x.strip("|").split("|")] for x in markdown(rows).split("\n")]
    assert len({len(line) for line in lines}) == 1
    return rows, [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_every_row_says_which_weights_made_it_and_how_many_trainings(table):
    _, lines = table
    made = {line["model"]: (line["weights (digest)"], line["training seeds"]) for line in lines}
    digest = read_weights("giga_pile").card["digest"]["tensors"]
    assert made == {"giga": (f"giga_pile ({digest[:8]})", "1 (0)"), "oracle": ("-", "-")}


def test_a_row_that_other_weights_played_does_not_take_the_name_of_those_of_today(tmp_path, table):
    path = tmp_path / "twins_pile_giga_fixed_rectified_giga/rectified/settings.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"fingerprint": told["fingerprint"][:-1] + "-"}))
    rows = {row["model"]: row for row in collect(tmp_path)}
    assert rows["giga"]["weights"] == "giga_pile, not those of today"
    facts = ("training_seeds", "parameters", "minutes", "labels_per_s", "ap", "equivariance")
    assert all(rows["giga"][name] is None for name in facts)
    assert rows["giga"]["gsr"]["pooled"] == 100.0
    assert "not those of today" in markdown([*rows.values()])


def test_lost_rounds_stand_beside_the_attempts(table):
    _, lines = table
    assert {x["model"]: x["attempts"] for x in lines} == {"giga": "1, 2 rounds lost", "oracle": "1"}
    assert {x["GSR % (95 %)"] for x in lines} == {"100.0 (100.0 to 100.0)"}
    assert {x["DR % (95 %)"] for x in lines} == {"50.0 (50.0 to 50.0)"}


def test_recorded_rows_tell_their_weights():
    """Those of before too; planners without weights have none."""
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "compare_rows.json"
    for row in json.loads(path.read_text()):
        if row["parameters"] is None:
            assert row.get("weights") is None
        else:
            assert re.fullmatch(r"[\w.-]+ \(([0-9a-f]{8}|no digest)\)", row["weights"])
            assert len(row["training_seeds"]) == 1
