"""The folder of a run is looked at before Hydra sets up its log there, whatever names it."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from equigrasp.home import CONFIGS
from equigrasp.train import main_config
from equigrasp.training.run_folder import RunFolder


def composed(*words):
    """A configuration as a callback of Hydra gets it."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(main_config(words), overrides=list(words), return_hydra_config=True)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("model=giga", "data=pile"), "giga_pile_seed0"),
        (("model=diffusion_policy", "data=pusht"), "diffusion_policy_pusht_seed0"),
        (("model=giga", "data=pile", "name=mine"), "mine"),
    ],
)
def test_it_is_made_under_the_name_that_the_run_gets(words, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, before = composed(*words), HydraConfig.instance().cfg
    RunFolder().on_run_start(config)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [name]
    assert HydraConfig.instance().cfg is before


def test_one_that_cannot_be_made_ends_the_program_in_a_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(SystemExit, match="error: .*runs/giga_pile_seed0"):
        RunFolder().on_run_start(composed("model=giga", "data=pile"))
