"""What the comparison of simulators counts, and that a short run leaves other parts' results."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from shared.two_simulators import label_counts
from simulators import label_figures, record, table

from equigrasp.data.vocabulary import Fate
from sim.grasping.label import Labels

HELD, SLIPPED, HIT = Fate.SUCCESS, Fate.SLIPPED, Fate.STATIC_COLLISION


def labels(*fates):
    made = Labels.blank(len(fates))
    made.yaw_fate[:] = fates
    made.yaw_success[:] = np.array(fates) == HELD
    return made


def test_agreement_is_told_in_both_directions():
    first = labels([HELD, HELD, HELD, HIT, HIT], [SLIPPED] * 5)
    second = labels([HELD, SLIPPED, SLIPPED, HELD, HIT], [SLIPPED] * 5)
    counts = label_counts(first, second)
    assert counts.pop("differences") == {"SUCCESS>SLIPPED": 2, "STATIC_COLLISION>SUCCESS": 1}
    assert counts == {"yaws": 10, "equal": 7, "good_first": 3, "good_second": 2, "good_both": 1}
    figures = label_figures(counts | {"points": 2, "seconds_pybullet": 0.5, "seconds_mujoco": 1.0})
    assert figures["equal"] == 0.7
    assert figures["pybullet_good_holds_in_mujoco"] == pytest.approx(1 / 3)
    assert figures["mujoco_good_holds_in_pybullet"] == 0.5
    assert (figures["points_per_second_pybullet"], figures["points_per_second_mujoco"]) == (4, 2)


def test_a_part_replaces_its_own_results_alone(tmp_path):
    path = tmp_path / "simulators.json"
    steps = {
        f"steps_per_second_5_{state}_{name}": 1000.0
        for state in ("falling", "lying")
        for name in ("pybullet", "mujoco")
    }
    record(path, steps, ["speed"])
    rates = {
        f"{rate}_pile_{name}{end}": 90.0
        for rate in ("gsr", "dr")
        for name in ("pybullet", "mujoco")
        for end in ("", "_low", "_high")
    }
    record(path, {**rates, "rounds_pile_pybullet": 20, "rounds_pile_mujoco": 20}, ["clutter"])
    kept = json.loads(path.read_text())
    assert kept["numbers"].items() >= steps.items()
    assert set(kept["machine"]["load"]) == {"speed", "clutter"}
    text = path.with_suffix(".md").read_text()
    assert "| 5 objects, lying | 1000 | 1000 |" in text
    assert "| pile | 20 | 90.0 (90 to 90) / 90.0 (90 to 90) |" in text
    assert "labels" not in table(kept["numbers"])
