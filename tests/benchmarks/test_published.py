"""Published and exact networks beside each other: arms, their rates, the table."""

import argparse
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import published
from shared.arms import ARMS

from equigrasp.train import build_model

CONFIGS = Path(__file__).parents[2] / "configs"
NEW = [arm for arms in published.ARMS_OF.values() for arm in arms]


def composed(arm):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", [*ARMS[arm], "data=packed", "name=a"])
    return OmegaConf.to_container(config, resolve=True)


@pytest.mark.parametrize("arm", [*NEW, "diffusion", "volume", "separate_lifting", "plain_head"])
def test_arms_are_configurations(arm):
    name = "EquiIGD" if "igd" in arm or arm == "diffusion" else "EquiGIGA"
    assert composed(arm)["model"]["_target_"].endswith(name)


@pytest.mark.parametrize("arms", published.ARMS_OF.values(), ids=published.ARMS_OF)
def test_arms_train_on_equal_grasps_and_depth(arms):
    """What the arms are compared by is the same; how they learn is not."""
    first, second, third = (composed(arm) for arm in arms)
    for other in (second, third):
        for name in ("queries", "occupancy_points", "view", "noise", "rectify_probability"):
            assert first["data"]["sample"][name] == other["data"]["sample"][name], name
        assert first["data"].get("visits", 1) == other["data"].get("visits", 1) == 1
    assert first["trainer"]["optimizer"] == third["trainer"]["optimizer"] == "adam"
    assert second["trainer"]["optimizer"] == "adamw"


@pytest.mark.parametrize("model", published.ARMS_OF)
def test_a_published_network_made_exact_differs_in_nothing_else(model):
    first, third = (composed(f"{name}_{model}") for name in ("published", "published_exact"))
    assert not build_model(first["model"]).exact
    assert build_model(third["model"]).exact
    differing = {key for key in first["model"] if first["model"][key] != third["model"][key]}
    assert differing <= {"side_features", "rows"}
    for part in ("loss", "data", "trainer"):
        assert first[part] == third[part], part


def test_the_rate_with_the_best_first_seed_is_taken(monkeypatch):
    asked = []

    def trained(run, arguments, records):
        asked.append((run.arm, run.seed))
        precision = {"2e-4": 0.5, "1e-3": 0.7, "2e-3": float("-inf")}[run.arm.rsplit("_", 1)[1]]
        return {"validation": {"average_precision": precision}}

    monkeypatch.setattr(published, "trained", trained)
    rates = ["2e-4", "1e-3", "2e-3"]
    arguments = argparse.Namespace(scene="packed", rates=rates, workers=2)
    assert published.best_rate("exact_equigiga", 10, arguments, None) == "1e-3"
    assert {seed for _, seed in asked} == {0}
    assert ARMS["exact_equigiga_1e-3"][-1] == "trainer.learning_rate=1e-3"


def test_the_table_shows_what_was_measured():
    records = [
        {"validation": {"average_precision": ap}, "gsr": gsr, "dr": 90.0, "rounds": 7}
        for ap, gsr in ((0.6, 80.0), (0.7, 90.0))
    ]
    rows = [published.row("equigiga", "exact_equigiga", "1e-3", 50, records)]
    rows.append(published.row("equigiga", "published_equigiga", "2e-4", 50, [{**records[0]}]))
    del rows[1]["dr"]
    lines = published.markdown(rows).splitlines()
    assert (
        lines[2]
        == "| exact_equigiga | 50 | 1e-3 | 2 | 0.650 +- 0.635 | 7 | 85.0 +- 63.5 | 90.0 +- 0.0 |"
    )
    assert lines[3] == "| published_equigiga | 50 | 2e-4 | 1 | 0.600 | 7 | 80.0 | - |"


def test_rows_of_before_stay_unless_they_were_made_again():
    def made(arm, steps, ap):
        return {"model": arm.rsplit("_", 1)[1], "arm": arm, "steps": steps, "ap": ap}

    before = [made("exact_equiigd", 400, 0.5), made("exact_equigiga", 400, 0.5)]
    rows = [made("exact_equigiga", 900, 0.7), made("published_equigiga", 400, 0.4)]
    rows.append(made("exact_equigiga", 400, 0.6))
    found = [(e["arm"], e["steps"], e["ap"]) for e in published.beside(before, rows)]
    assert found == [
        ("published_equigiga", 400, 0.4),
        ("exact_equigiga", 400, 0.6),
        ("exact_equigiga", 900, 0.7),
        ("exact_equiigd", 400, 0.5),
    ]
