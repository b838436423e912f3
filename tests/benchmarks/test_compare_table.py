"""A table that grows: rows recorded before stay until the same planner plays again."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from compare import Entry
from shared.compare_table import with_earlier


@pytest.mark.parametrize(
    ("model", "trained", "architecture", "setting"),
    [
        ("equiigd", "equiigd", "equiigd", None),
        ("giga_c4", "giga_c4", "giga", None),
        ("giga_c4_hr60", "giga_c4", "giga", "lattice=60"),
        ("equiigd_n1", "equiigd", "equiigd", "num_samples=1"),
    ],
)
def test_names_tell_training_from_planner_settings(model, trained, architecture, setting):
    entry = Entry("pile", model)
    assert (entry.trained, entry.architecture, entry.setting) == (trained, architecture, setting)


def test_a_planner_played_again_replaces_its_row_and_others_stay():
    def row(model: str, view: str, attempts: int) -> dict:
        return {"scene": "pile", "view": view, "model": model, "attempts": attempts}

    earlier = [row("giga", "fixed", 1), row("giga", "random", 2), row("vgn", "fixed", 3)]
    found = with_earlier([row("giga", "fixed", 9), row("igd", "fixed", 4)], earlier)
    assert sorted((r["model"], r["view"], r["attempts"]) for r in found) == [
        ("giga", "fixed", 9),
        ("giga", "random", 2),
        ("igd", "fixed", 4),
        ("vgn", "fixed", 3),
    ]
