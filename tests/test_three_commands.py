"""The commands of the README as they are typed, one after another, from an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.timeout(1800)  # three programs that compute; a minute and a half if idle
COMMANDS = (
    "python data_gen/packed.py",
    "python -m equigrasp.train model=equiigd",
    "python sim/clutter_eval.py --scene pile",
)


@pytest.fixture
def shell(tmp_path):
    """Runs a command in a folder that holds our programs and nothing else; its output."""
    for name in ("data_gen", "sim"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = os.environ | {
        "EQUIGRASP_SIZE": "0.03",
        "OMP_NUM_THREADS": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
    }

    def run(command):
        finished = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout + finished.stderr

    return run


def test_the_three_commands_end_with_a_table(shell, tmp_path):
    made, trained, cleared = map(shell, COMMANDS)
    assert "data/packed: 9 packed scenes of 60 grasp points, about 1 MB; about" in made
    assert "data=auto: data/packed (9 scenes); there is no data/pile" in trained
    assert (tmp_path / "runs" / "equiigd_packed_seed0" / "model.safetensors").exists()
    assert "| evaluation | GSR % |" in cleared
    assert "| pile fixed equiigd_pile rectified |" in cleared
    assert "of 5 |" in cleared  # rounds
    again = shell(COMMANDS[0])
    assert "9 packed scenes of 60 grasp points, all there" in again


def test_training_in_an_empty_folder_makes_its_data_first(shell, tmp_path):
    small = "trainer.max_steps=2 trainer.warmup_steps=1 model.fields=2 trainer.batch_size=2"
    told = shell(f"{COMMANDS[1].replace('equiigd', 'equigiga')} {small}")
    for part in (
        "there is no data/packed and no data/pile; a small set of packed scenes is made first",
        "9 packed scenes of 60 grasp points, about 1 MB; about",
        "data=auto: the set made just now, data/packed (",
        "python data_gen/packed.py --scenes 3000",
    ):
        assert part in told
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["packed"]
    assert (tmp_path / "runs" / "equigiga_packed_seed0" / "model.json").exists()
