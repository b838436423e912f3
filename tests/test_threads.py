"""How many threads the suite computes on."""

import os
import subprocess
import sys

import torch

SAID = "import os; print(os.environ['OMP_NUM_THREADS'])"


def test_workers_of_the_suite_compute_on_one_thread_each():
    """Without workers there are two; who sets the variable is obeyed."""
    usual = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
    chosen = "OMP_NUM_THREADS" in os.environ["EQUIGRASP_TESTS_CHOSE"].split()
    expected = usual if chosen else os.environ["OMP_NUM_THREADS"]
    assert torch.get_num_threads() == int(expected)
    told = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == expected
