"""A table that grows: rows recorded before stay until the same planner plays again."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from compare import Column, Entry
from shared.compare_table import headline, with_earlier

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
        row("giga", 10.0, 10.0, 0.5),
    ]
    found = headline(rows)
    assert found == {"equiigd_gsr_gap": 3.5, "equiigd_dr_gap": 4.0, "ece": 0.04}
    assert headline(rows[:1]) == {}


def test_names_of_columns_are_read_back_in_their_parts():
    column = Column("twins", "some/folder", "pile", "contact", "random", raw=True)
    parts = f"{column.name}_equiigd_n16".split("_", 5)
    assert parts == ["twins", "pile", "contact", "random", "raw", "equiigd_n16"]
