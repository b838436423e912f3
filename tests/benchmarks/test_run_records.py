"""Records of training runs are believed only where the same run would be made again."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from shared.run_records import RunRecords, configuration

OPTIONS = ["model=giga", "data=pile", "seed=1", "name=a", "run_dir=runs/a"]


@pytest.mark.parametrize("other", ["name=b", "trainer.workers=0", "data.cache_gb=3"])
def test_names_and_resources_do_not_count(other):
    assert configuration([*OPTIONS, other]) == configuration(OPTIONS)


@pytest.mark.parametrize(
    "other", ["model.channels=8", "seed=2", "trainer.learning_rate=1e-4", "data.sample.queries=9"]
)
def test_what_makes_another_run_counts(other):
    assert configuration([*OPTIONS, other]) != configuration(OPTIONS)


def test_records_of_other_runs_are_passed_over(tmp_path):
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    (scenes / "manifest.json").write_text("{}")
    records = RunRecords(tmp_path / "runs.json", [scenes])
    records.put("run", OPTIONS, ap=0.5)
    assert records.put("run", OPTIONS, gsr=90.0) == records.get("run", OPTIONS)
    assert records.get("run", OPTIONS)["ap"] == 0.5
    assert records.get("run", [*OPTIONS, "trainer.max_steps=7"]) is None
    assert set(json.loads((tmp_path / "runs.json").read_text())) == {"run"}
    (scenes / "manifest.json").write_text("{ }")
    assert RunRecords(tmp_path / "runs.json", [scenes]).get("run", OPTIONS) is None


def test_threads_lose_nothing_of_each_other(tmp_path):
    records = RunRecords(tmp_path / "runs.json", [])
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(
            lambda n: records.put(f"run{n}", [*OPTIONS, f"seed={n}"], ap=n), range(8)
        ):
            pass
    assert [records.get(f"run{n}", [*OPTIONS, f"seed={n}"])["ap"] for n in range(8)] == list(
        range(8)
    )
