"""The record of a run: readable after a kill, free of repeated steps after resuming."""

import json
import math

from equigrasp.training.run_log import RunLog, read_records, training_minutes


def test_records_round_trip(tmp_path):
    with RunLog(tmp_path, 0, progress=False) as log:
        log.write(1, "train", {"loss": 0.1 + 0.2})
        log.write(1, "validation", {"average_precision": math.nan})
    assert read_records(tmp_path / "metrics.jsonl", "train") == [
        {"step": 1, "kind": "train", "loss": 0.1 + 0.2}
    ]
    assert read_records(tmp_path / "metrics.jsonl")[1]["average_precision"] is None
    assert list((tmp_path / "tensorboard").iterdir())


def test_resuming_drops_later_and_torn_records(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with RunLog(tmp_path, 0, progress=False) as log:
        for step in range(1, 6):
            log.write(step, "train", {"loss": float(step)})
    path.write_text(path.read_text() + '{"step": 6, "ki')
    with RunLog(tmp_path, 3, progress=False) as log:
        log.write(4, "train", {"loss": 40.0})
    assert [r["loss"] for r in read_records(path)] == [1.0, 2.0, 3.0, 40.0]


def test_a_silent_log_writes_nothing(tmp_path):
    with RunLog(tmp_path / "run", 0, on=False) as log:
        log.write(1, "train", {"loss": 1.0})
        log.say("unheard")
    assert not (tmp_path / "run").exists()


def test_minutes_are_summed_over_the_processes_of_a_run(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [{"step": i, "kind": "train", "minutes": m} for i, m in enumerate((1, 5, 2, 2.5))]
    lines.insert(2, {"step": 2, "kind": "validation", "average_precision": 0.5})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert training_minutes(path) == 7.5
