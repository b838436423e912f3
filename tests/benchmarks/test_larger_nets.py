"""The table of larger networks, and the weights that it times."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from larger_nets import markdown, row
from shared.arms import ARMS, LARGER, TINY

from equigrasp.models.equigiga import EquiGIGA
from equigrasp.weights import save_model


def record(ap, minutes, **rates):
    return {"validation": {"average_precision": ap}, "minutes": minutes, **rates}


def test_figures_of_an_arm(tmp_path):
    model = EquiGIGA(resolution=8, fields=2, head_fields=4, head_blocks=1)
    save_model(model, tmp_path / "model")
    found = [record(0.5, 3, gsr=60.0, dr=50.0), record(0.7, 5, gsr=None, dr=70.0)]
    rows = [row("near", found, 90.0, 1.5, tmp_path / "model")]
    assert rows[0]["parameters"] == sum(p.numel() for p in model.parameters())
    assert rows[0]["minutes"] == 4.0
    line = markdown(rows).splitlines()[2]
    count = f"{rows[0]['parameters']:,}"
    assert (
        line
        == f"| near | {count} | 4 | 90 | 1.50 | 0.600 (0.500 to 0.700) | 60.0 | 60.0 (50 to 70) |"
    )
    unplayed = row("near", [record(0.5, 3)], 90.0, 1.0, tmp_path / "model")
    assert markdown([unplayed]).splitlines()[2].endswith("| 0.500 | - | - |")


def test_every_larger_network_is_an_arm_that_only_its_size_tells_from_the_first():
    for arm in LARGER[1:]:
        assert ARMS[arm][:1] == ARMS["induced"]
        assert len(ARMS[arm]) == 2
    assert TINY["near"] == TINY["induced"]
