"""The table of choices: rounds of a choice beside those of the default, and what is left out."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from planning_choices import CHOICES, LOOKS, markdown, planner_of, row
from shared.ensembles import Averaged

from equigrasp.detection import DetectionConfig
from sim.clutter.protocol import EvalSettings

TRIED = {"object": "thing", "fate": "slipped", "score": 0.5, "timings": {"total": 0.1}}


def log(path: Path, rounds: list[tuple[int, int, int]]) -> Path:
    """Rounds of (successes, attempts, objects), as they are kept."""
    path.parent.mkdir(parents=True)
    lines = [
        {
            "seed": 1,
            "round": number,
            "objects": objects,
            "object_ids": ["thing"] * objects,
            "attempts": [{**TRIED, "success": i < good} for i in range(tried)],
            "lost": [],
            "end": "cleared",
        }
        for number, (good, tried, objects) in enumerate(rounds)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_choice_is_compared_with_the_default_over_the_rounds_of_both(tmp_path):
    played = {
        "default": log(tmp_path / "default" / "rounds.jsonl", [(2, 4, 4), (3, 4, 4), (1, 4, 4)]),
        "climb": log(tmp_path / "climb" / "rounds.jsonl", [(4, 4, 4), (4, 4, 4)]),
    }
    spent = {"default": 50.0, "climb": 61.7}
    rows = [row("equiigd_pile", name, played, spent) for name in played]
    assert rows[0]["gsr_ahead"] == rows[0]["dr_ahead"] == 0.0
    assert rows[1]["gsr"] == rows[1]["dr"] == 100.0
    # of the two rounds that both played the default got five of eight
    assert rows[1]["gsr_ahead"] == rows[1]["dr_ahead"] == 37.5
    lines = markdown(rows, "limit").splitlines()
    assert lines[2] == "| equiigd_pile | default | 50 | 3 | 50.0 | 50.0 | 12 | - | - |"
    assert lines[3].startswith("| equiigd_pile | climb | 62 | 2 | 100.0 | 100.0 | 8 | +37.5 (")
    assert "`climb` (refine_steps=4)" in lines[-1]


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_one_that_a_plan_knows(name):
    DetectionConfig(**CHOICES[name])


def test_a_model_is_asked_for_what_it_takes_notice_of():
    settings = EvalSettings(model="equigiga_pile")
    assert planner_of("equigiga_pile", "samples_16", settings) is None
    assert planner_of("equiigd_pile", "turned_10", settings) is None
    looks = planner_of("equigiga_pile", "mirror", settings)
    assert isinstance(looks.planner.model, Averaged)
    assert looks.planner.model.looks == (LOOKS["mirror"],)
