"""Ctrl-C, as a terminal sends it to all of a program's processes: one sentence, status 130."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.interruption import INTERRUPTED

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.timeout(900)  # programs that compute; half a minute if idle
GOES_ON = "interrupted; the same command goes on from "
COMMANDS = {
    "data packed --objects procedural:6 --split all --scenes 500 --workers 1": (
        "Stop it at any time",
        GOES_ON + "here",
    ),
    "objects check --objects procedural:4000": ("objects, split all", GOES_ON + "here"),
    "calibrate --model equigiga_pile --scene pile --objects procedural:60 --dry-run": (
        "100 scenes of",
        GOES_ON + "here",
    ),
    "train model=giga data=pile trainer=quick trainer.max_steps=100000": (
        "training on",
        GOES_ON + "the last checkpoint",
    ),
}
"""What is typed after `equigrasp`; a word by which it is under way; how it ends."""


@pytest.mark.parametrize("line", COMMANDS)
def test_a_program_that_is_interrupted_says_what_that_means(line, tmp_path):
    if line.startswith("train"):
        write_synthetic_data_set(tmp_path / "data" / "pile", 12)
    begun, end = COMMANDS[line]
    said = tmp_path / "said.txt"
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "EQUIGRASP_CACHE": str(tmp_path / "cache"),
    }
    with open(said, "wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "equigrasp", *line.split()],
            cwd=tmp_path,
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            # Whoever starts the suite in the background has it ignore Ctrl-C, and all below it.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
    try:
        while begun not in said.read_text() and process.poll() is None:
            time.sleep(0.1)
        time.sleep(1.0)
        os.killpg(process.pid, signal.SIGINT)
        status = process.wait(300)
    finally:
        process.kill()
        process.wait()
    told = said.read_text()
    assert status == INTERRUPTED, told
    assert told.strip().splitlines()[-1] == end
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("interrupted('nothing is lost')", INTERRUPTED, "\ninterrupted; nothing is lost\n"),
        ("caught() or 0", 0, ""),
    ],
)
def test_an_interrupted_exec_of_a_text_does_not_decide_how_a_program_ends(
    end, status, said, tmp_path
):
    """`python -m` kills itself where an interruption came while a data class was being made."""
    (tmp_path / "program.py").write_text(
        "import sys\n"
        "from equigrasp.interruption import caught, interrupted\n"
        "try:\n"
        "    exec('raise KeyboardInterrupt')\n"
        "except KeyboardInterrupt:\n"
        f"    sys.exit({end})\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    ended = subprocess.run(
        [sys.executable, "-m", "program"],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (status, said)
