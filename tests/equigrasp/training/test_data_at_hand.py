"""Which data sets `data=auto` chooses, and what it says of a set that cannot be made."""

import pytest
from hydra import compose, initialize_config_dir

from equigrasp.data.split import DataSetError
from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.train import CONFIGS, kinds_at_hand
from equigrasp.training import data_at_hand as module
from equigrasp.training.data_at_hand import choose_data, data_at_hand, name_at_hand

KINDS = ["packed", "pile"]


@pytest.mark.parametrize(
    ("there", "name"), [(["packed"], "packed"), (["pile"], "pile"), (["pile", "packed"], "both")]
)
def test_what_is_there_is_chosen(tmp_path, there, name):
    for kind in there:
        write_synthetic_data_set(tmp_path / kind, 2, seed=0, grasps=4, occupancy_points=8)
    (tmp_path / "mine").mkdir()
    assert name_at_hand(KINDS, tmp_path) == name
    assert data_at_hand(KINDS, tmp_path) == [tmp_path / kind for kind in sorted(there)]
    told = choose_data(KINDS, tmp_path)
    assert told.startswith(f"data=auto: {tmp_path / min(there)} (2 scenes)")
    assert ("there is no" in told) == (len(there) == 1)


def test_a_folder_without_scenes_is_not_passed_over(tmp_path):
    (tmp_path / "pile").mkdir()
    with pytest.raises(DataSetError, match="pile has no files"):
        choose_data(KINDS, tmp_path)


@pytest.mark.parametrize(("status", "error"), [(1, DataSetError), (130, KeyboardInterrupt)])
def test_a_generator_that_fails_leaves_no_data_set(tmp_path, monkeypatch, status, error):
    commands = []

    def fail(command, check, env):
        commands.append(command)
        return type("Finished", (), {"returncode": status})

    monkeypatch.setattr(module.subprocess, "run", fail)
    with pytest.raises(error):
        choose_data(KINDS, tmp_path)
    assert commands[0][1:] == ["-m", "data_gen", "packed", "--out", str(tmp_path / "packed.part")]
    assert name_at_hand(KINDS, tmp_path) == "packed"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        ([], KINDS),
        (["data=auto", "name=x"], KINDS),
        (["data=pile"], []),
        (["data.dirs=[mine]"], []),
        (["experiment=shipped/equigiga_pile"], []),
    ],
)
def test_what_is_there_is_looked_for_where_no_folder_is_named(arguments, kinds):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        assert kinds_at_hand(compose("train", arguments)) == kinds
