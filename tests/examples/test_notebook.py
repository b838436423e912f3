"""The notebook: every cell runs, one after the other, and says what is true."""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_grasps.ipynb"


def test_every_cell_runs(tmp_path, monkeypatch, capsys):
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["cells"][0]["cell_type"]) == (4, "markdown")
    monkeypatch.chdir(tmp_path)
    known = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]  # they would age
            exec("".join(cell["source"]), known)
    assert len(known["plan"]) >= 3
    assert len(known["some"]) + sum(known["some"].dropped.values()) >= len(known["plan"])
    assert max(known["gaps"]) < 1e-4
    assert len(known["turned"]) == len(known["here"]) > 2
    assert isinstance(known["figure"], Figure)
    assert len(known["shape"].faces) > 100
    assert np.isfinite(known["found"].poses).all()
    said = capsys.readouterr().out
    assert f"{len(known['plan'])} grasps (ok) in " in said
    assert "is the table" in said
