"""Success over the grid of adversarial objects: counted, tabulated, drawn."""

import pytest

from sim.clutter import cells
from sim.clutter.metrics import summarise
from sim.clutter.pictures import draw_cells

PER_OBJECT = {
    "adversarial/A0-0": {"present": 4, "cleared": 4},
    "adversarial/A0-3": {"present": 2, "cleared": 1},
    "G6": {"present": 3, "cleared": 0},  # as EGAD's own files are called
}


def test_objects_of_a_cell_count_together():
    assert cells.per_cell(PER_OBJECT) == {
        "A0": {"present": 6, "cleared": 5},
        "G6": {"present": 3, "cleared": 0},
    }


@pytest.mark.parametrize(
    "name", ["procedural/00012", "limit/00001", "mug", "A", "adversarial/a0-0"]
)
def test_other_objects_make_no_grid(name):
    assert cells.per_cell({**PER_OBJECT, name: {"present": 1, "cleared": 1}}) == {}
    assert cells.per_cell({}) == {}
    assert cells.markdown({}) == ""


def test_the_table_has_a_row_of_complexity_and_a_column_of_difficulty():
    lines = cells.markdown(cells.per_cell(PER_OBJECT)).splitlines()
    assert lines[2:] == ["| | 0 | 6 |", "|---|---|---|", "| A | 5/6 |  |", "| G |  | 0/3 |"]


def test_the_picture_holds_every_count_and_the_share_as_colour():
    figure = draw_cells(cells.per_cell(PER_OBJECT))
    figure.canvas.draw()
    axes = figure.axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["0/3", "5/6"]
    share = axes.images[0].get_array()
    assert share[0, 0] == pytest.approx(5 / 6)
    assert share[1, 1] == 0
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "G"]


def test_summaries_have_the_grid():
    attempt = {"success": True, "object": "adversarial/C2-0", "fate": "HELD", "timings": {}}
    record = {"seed": 0, "round": 0, "objects": 2, "end": "failures", "lost": []}
    record |= {"object_ids": ["adversarial/C2-0", "adversarial/C3-0"], "attempts": [attempt]}
    assert summarise([record])["cells"] == {
        "C2": {"present": 1, "cleared": 1},
        "C3": {"present": 1, "cleared": 0},
    }
