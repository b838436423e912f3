"""Pages of trainings and evaluations: whole in themselves, and true to what was recorded."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from equigrasp.data.files import write_json
from equigrasp.page import Page, flat
from equigrasp.training.run_page import read_metrics
from sim.clutter.metrics import summarise
from sim.report import main, write_report

VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Text of cells row by row, pictures, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.images, self.links = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.links += [values[name] for name in ("href", "src") if name in values]
        if tag == "img":
            self.images.append(values["alt"])
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def page_of(folder, tmp_path):
    out = tmp_path / "page.html"
    write_report(folder, out)
    found = Reader(out.read_text())
    assert all(link.startswith("data:image/png;base64,") for link in found.links)
    return found


def attempt(success, name):
    return {
        "success": success,
        "fate": "SUCCESS" if success else "SLIPPED",
        "object": name if success else None,
        "score": 0.875 if success else 0.5,
        "width": 0.04,
        "timings": {"total": 0.05},
        "lost": 0,
    }


@pytest.fixture
def evaluation(tmp_path):
    """Two rounds: one cleared at once, one given up after two failures."""
    folder = tmp_path / "pile_fixed" / "rectified"
    folder.mkdir(parents=True)
    ids = ["box <5>", "can"]
    rounds = [([True, True], "cleared", 0), ([False, False], "failures", 2)]
    records = [
        {
            "objects": 2,
            "object_ids": ids,
            "attempts": [attempt(s, name) for s, name in zip(successes, ids, strict=True)],
            "lost": [],
            "left": left,
            "end": end,
            "seed": 0,
            "round": number,
            "seconds": 1.0,
        }
        for number, (successes, end, left) in enumerate(rounds)
    ]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    write_json(folder / "summary.json", {**summarise(records), "settings": {"a": {"b": 1}}})
    return folder.parent


def test_the_page_of_an_evaluation_tells_what_was_recorded(evaluation, tmp_path):
    found = page_of(evaluation, tmp_path)
    (row,) = [row for row in found.rows if row[0] == "rectified"]
    assert row[1] == row[3] == "50"
    assert row[5:7] == ["2", "4"]
    assert row[-1] == "2 slipped"
    assert ["box <5>", "1", "2"] in found.rows
    told = {row[-1]: row[:6] for row in found.rows if len(row) == 7}
    assert told["slipped (0.50), slipped (0.50)"] == ["0", "1", "0", "2", "2", "failures"]
    assert told["box <5> (0.88), can (0.88)"] == ["0", "0", "1", "2", "0", "cleared"]
    assert ["a.b", "1"] in found.rows
    assert "share of successes by score" in found.images


def test_a_folder_of_evaluations_is_one_table(evaluation, tmp_path):
    both = tmp_path / "all"
    for name in ("first", "second"):
        shutil.copytree(evaluation, both / name)
    found = page_of(both, tmp_path)
    names = [row[0] for row in found.rows if row[-1] == "2 slipped"]
    assert names == ["first/rectified", "second/rectified"]


@pytest.fixture
def training(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    rows = [
        {"step": step, "kind": "train", "loss": 2 - step / 1000, "minutes": step / 60}
        for step in range(10, 1000, 10)
    ]
    rows.append({"step": 990, "kind": "validation", "average_precision": 0.8125})
    lines = "\n".join(json.dumps(row) for row in rows)
    (folder / "metrics.jsonl").write_text(lines + '\n{"step": 1000, "ki')  # killed while writing
    write_json(folder / "model.json", {"model": {"name": "giga"}, "<tag>": None})
    return folder


def test_the_page_of_a_training_has_curves_and_the_card(training, tmp_path):
    found = page_of(training, tmp_path)
    assert found.images == [
        "losses and learning rate by step",
        "measures on held-out scenes by step",
    ]
    assert ["990", "0.8125"] in found.rows
    assert ["model.name", "giga"] in found.rows
    assert ["<tag>", "-"] in found.rows
    assert len(read_metrics(training / "metrics.jsonl")) == 100


def test_the_command_writes_into_the_folder(training, capsys):
    main([str(training)])
    assert re.search(r"wrote .*report\.html", capsys.readouterr().out)
    assert (training / "report.html").is_file()


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(SystemExit, match="there is no folder"):
        main([str(tmp_path / "absent")])
    with pytest.raises(SystemExit, match=r"no training \(metrics.jsonl\)"):
        main([str(tmp_path)])
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(SystemExit, match="has the training begun"):
        main([str(tmp_path)])


def test_nested_settings_become_lines():
    assert flat({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


def test_what_is_written_is_no_markup():
    page = Page("<script>")
    page.heading("<b>")
    page.text("a & b")
    page.table(("<x>",), [("</td>",)], folded="<y>")
    found = Reader(page.html())
    assert found.rows == [["<x>"], ["</td>"]]
    assert "<script>" not in page.html()
