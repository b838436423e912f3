"""The report of an evaluation: figures stand where their headings say, and nothing is hidden."""

import pytest

from sim.clutter.evaluation_page import HEAD, figures_row
from sim.clutter.figures import (
    MAX_OBJECTS,
    failed_attempts,
    figures,
    lost_rounds,
    object_rates,
    published_figures,
    report,
    score_error,
)
from sim.clutter.metrics import summarise
from sim.clutter.protocol_files import load_protocol


def attempt(fate="SUCCESS", name="mug", score=0.5):
    success = fate == "SUCCESS"
    return {
        "success": success,
        "fate": fate,
        "object": name if success else None,
        "timings": {"total": 0.1 if success else 0.3},
        "score": score,
    }


def summary(**changes):
    """Of two seeds: three of four attempts and of five objects; four of five and of four."""
    first = [attempt(), attempt("SLIPPED"), attempt(name="pan"), attempt(name="cup")]
    second = [attempt(), attempt("EMPTY_CLOSE"), attempt(), attempt(name="cup"), attempt()]
    rounds = [
        {"attempts": first, "objects": 5, "end": "no_grasp", "lost": ["pan"], "seed": 0},
        {"attempts": second, "objects": 4, "end": "cleared", "lost": [], "seed": 1},
    ]
    ids = (["mug", "pan", "pan", "cup", "key"], ["mug", "mug", "cup", "mug"])
    records = [{**r, "object_ids": i} for r, i in zip(rounds, ids, strict=True)]
    settings = {"settings": {"scene": "pile", "view": "fixed"}}
    return {**summarise(records, 3), **settings, **changes}


def cells(line):
    return [text.strip() for text in line.strip("|").split("|")]


def test_every_figure_stands_under_its_heading():
    one = summary(objects=10)
    one["gsr"]["interval"], one["dr"]["interval"] = [70.1, 80.2], [60.3, 90.4]
    head, _, line = figures([("mine", one)]).splitlines()
    assert cells(line)[:7] == [
        "mine",
        *("77.5", "2.5", "70.1 to 80.2"),
        *("80.0", "20.0", "60.3 to 90.4"),
    ]
    row = dict(zip(cells(head)[7:], cells(line)[7:], strict=True))
    assert row == {
        "successes/attempts/objects": "7/9/10",
        "no grasp": "1 of 2",
        "lost": "1",
        "failed attempts": "1 empty close, 1 slipped",
        "planning ms (median, p95)": "100.0, 300.0",
    }


def test_failures_are_told_by_number_the_most_frequent_first():
    told = failed_attempts({"failures": {"SLIPPED": 2, "COLLISION_START": 5, "EMPTY_CLOSE": 2}})
    assert told == "5 collision start, 2 empty close, 2 slipped"
    assert failed_attempts({"failures": {}}) == failed_attempts({}) == "-"


def test_lost_rounds_are_told():
    assert lost_rounds("mine", summary()).startswith("mine: 3 of 5 rounds were lost to a crash")
    assert lost_rounds("mine", summary(crashed_rounds=0)) == ""
    assert lost_rounds("mine", {"rounds": 2}) == ""  # as in files of before


def test_lost_rounds_stand_on_the_page_too():
    row = dict(zip(HEAD, figures_row("mine", summary()), strict=True))
    assert row["rounds"] == "2, and 3 lost"
    assert (row["GSR %"], row["DR %"], row["attempts"]) == (77.5, 80.0, 9)
    assert figures_row("mine", summary(crashed_rounds=0))[5] == 2


def test_published_figures_are_those_of_scene_and_view():
    protocol = load_protocol("giga")
    text = published_figures(protocol, "pile", protocol.view)
    expected = protocol.results("pile", protocol.view)
    rows = [cells(line) for line in text.splitlines()[4:]]
    assert len(rows) == len(expected) > 0
    for row, told in zip(rows, expected, strict=True):
        numbers = ["-" if value is None else str(value) for value in (*told.gsr, *told.dr)]
        assert row == [told.method, told.scene, *numbers, told.source]
    assert published_figures(protocol, "adversarial", "none") != text


def test_what_scores_are_worth_is_a_sentence_or_nothing():
    told = score_error("mine", {"ece": 0.0123, "reliability": [1, 2], "attempts": 40})
    assert "1.2 %, over 40 attempts in 2 bins" in told
    assert score_error("mine", {"ece": None}) == ""


def test_objects_that_stayed_are_listed_the_worst_first():
    rates = {"a": (4, 4), "b": (1, 4), "c": (0, 1), "d": (2, 8), "e": (3, 4)}
    told = object_rates("mine", {k: {"cleared": c, "present": p} for k, (c, p) in rates.items()})
    assert told.startswith("mine: 1 of 5 objects were cleared whenever they were there")
    assert [cells(line) for line in told.splitlines()[4:]] == [
        ["c", "0", "1"],
        ["d", "2", "8"],
        ["b", "1", "4"],
        ["e", "3", "4"],
    ]
    fine = object_rates("mine", {"a": {"cleared": 2, "present": 2}})
    assert fine == "mine: 1 of 1 objects were cleared whenever they were there."


def test_long_lists_end_and_say_so():
    many = {f"o{i:02}": {"cleared": 0, "present": 1} for i in range(MAX_OBJECTS + 3)}
    told = object_rates("mine", many)
    assert told.count("\n") == MAX_OBJECTS + 3
    assert "3 more stand in summary.json" in told


@pytest.mark.parametrize("name", ["giga", "contact"])
def test_a_report_has_all_its_parts(name):
    protocol = load_protocol(name)
    one = summary(settings={"scene": "pile", "view": protocol.view})
    text = report([("first", one), ("second", one)], protocol)
    for part in (
        figures([("first", one), ("second", one)]),
        lost_rounds("first", one),
        lost_rounds("second", one),
        published_figures(protocol, "pile", protocol.view),
        score_error("second", one),
        object_rates("second", one["per_object"]),
        *protocol.cannot_reproduce,
    ):
        assert part
        assert part in text
    plain = report([("first", one)])
    assert "Published" not in plain
    assert "not reproduced" not in plain
