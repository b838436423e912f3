"""A planner that tries nothing has no GSR: every table says so with a hyphen, and none breaks."""

import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import published
import sample_efficiency
import simulators
from shared import clutter_table, compare_table, paired, results, tuning_tables

from sim.clutter.evaluation_page import figures_row
from sim.clutter.figures import figures
from sim.clutter.metrics import summarise


def record(*attempts):
    held = {"success": True, "fate": "SUCCESS", "object": "a", "timings": {}, "score": 0.5}
    return {
        "seed": 0,
        "round": 0,
        "objects": 2,
        "object_ids": ["a", "b"],
        "attempts": [{**held, "success": success} for success in attempts],
        "lost": [],
        "end": "no_grasp",
    }


IDLE, BUSY = summarise([record()]), summarise([record(True, False)])


def run(summary):
    """Record of a training whose model cleared clutter."""
    rates = {rate: summary[rate]["pooled"] for rate in ("gsr", "dr")}
    return {"validation": {"average_precision": 0.5}, **rates}


def compared(model, summary):
    column = dict(zip(paired.COLUMN, ("twins", "pile", "giga", "fixed", "raw"), strict=True))
    facts = dict.fromkeys(("median_ms", "ece", "calibration"))
    return {**column, "model": model, "gsr": summary["gsr"], "dr": summary["dr"], **facts}


def test_nothing_tried_is_no_rate():
    assert (IDLE["gsr"]["pooled"], IDLE["dr"]["pooled"]) == (None, 0.0)
    assert BUSY["gsr"]["pooled"] == 50.0


def test_figures_and_pages_of_evaluations():
    cells = [text.strip() for text in figures([("idle", IDLE)]).splitlines()[2].split("|")]
    assert cells[2:8] == ["-", "-", "-", "0.0", "0.0", "0.0 to 0.0"]
    assert figures_row("idle", IDLE)[1:5] == [None, "-", 0.0, "0.0 to 0.0"]


def test_studies_of_trainings_take_the_mean_of_the_seeds_that_have_one():
    only = published.row("m", "arm", "1e-3", 50, [run(IDLE)])
    assert (
        published.markdown([only]).splitlines()[2]
        == "| arm | 50 | 1e-3 | 1 | 0.500 | - | - | 0.0 |"
    )
    both = sample_efficiency.row("arm", 1.0, [run(IDLE), run(BUSY)])
    assert (both["gsr"]["mean"], both["dr"]["mean"]) == (50.0, 25.0)
    assert (
        sample_efficiency.cell(sample_efficiency.row("arm", 1.0, [run(IDLE)])) == "0.500; - / 0.0"
    )


def test_tables_of_planners():
    rows = [compared(*each) for each in (("equiigd", IDLE), ("oracle", BUSY))]
    assert compare_table.headline(rows) == {"equiigd_dr_gap": 50.0}
    assert [*compare_table.figures(rows).values()] == [None, 0.0, 50.0, 50.0]


def test_who_is_ahead_of_one_that_tries_nothing(tmp_path, recwarn):
    path = tmp_path / "rounds.jsonl"

    def outcomes(*attempts):
        path.write_text(json.dumps(record(*attempts)))
        return paired.outcomes(path)

    idle, busy = outcomes(), outcomes(True, False)
    found = paired.difference(busy, idle)
    assert found == {"rounds": 1, "gsr": None, "dr": [50.0, 50.0, 50.0]}
    rows = [compared("equigiga", BUSY) | {"outcomes": busy}]
    rows += [compared("giga", IDLE) | {"outcomes": idle}]
    assert paired.markdown(rows).splitlines()[-1].endswith("| 1 | - | +50.0 (+50.0 to +50.0) |")
    assert not len(recwarn)


@pytest.mark.parametrize("kind", ["clutter", "compare", "training"])
def test_pictures_leave_out_what_is_not_known(kind, tmp_path):
    path = tmp_path / "picture.png"
    settings = {"settings": {"scene": "pile"}}
    if kind == "clutter":
        clutter_table.plot(path, [("idle", IDLE | settings), ("busy", BUSY | settings)])
    elif kind == "compare":
        rows = [compared("equiigd", IDLE), compared("oracle", BUSY)]
        compare_table.draw_plots([row | {"median_ms": 10.0} for row in rows], path)
    else:
        sample_efficiency.plot([sample_efficiency.row("arm", 1.0, [run(IDLE)])], path)
    assert path.stat().st_size > 1000


def test_simulators_side_by_side():
    numbers = {"rounds_pile_mujoco": 1.0}
    for name, summary in (("pybullet", IDLE), ("mujoco", BUSY)):
        for rate in ("gsr", "dr"):
            values = (summary[rate]["mean"], *summary[rate]["interval"])
            row = f"{rate}_pile_{name}"
            numbers |= {row + end: v for end, v in zip(simulators.ENDS, values, strict=True)}
    line = simulators.table(numbers).splitlines()[-1]
    assert line == "| pile | 1 | - / 0.0 (0 to 0) | 50.0 (50 to 50) / 50.0 (50 to 50) |"


def test_seeds_of_fine_tunings(tmp_path, capsys):
    path = tmp_path / "result.json"
    arguments = Namespace(record=True, json=None, result=path)
    tuning_tables.finish_seeds(
        arguments, [{"gsr": None, "x": None}, {"gsr": 5.0, "x": None}], "", {}
    )
    assert "| mean | 5 | - |" in capsys.readouterr().out
    numbers = json.loads(path.read_text())["numbers"]
    assert (numbers["gsr_mean"], numbers["x_mean"], numbers["gsr_seed0"]) == (5.0, None, None)


def test_numbers_that_nobody_knows_are_printed(capsys):
    results.finish(Namespace(record=False, json=None), {"known": 1.0, "not": None})
    assert capsys.readouterr().out.splitlines()[:2] == ["known  1", "not    -"]
