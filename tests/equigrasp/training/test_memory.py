"""The allocator option does what it says: large blocks are not returned to the kernel."""

import subprocess
import sys

_PROGRAM = """
import resource, sys
import torch
from equigrasp.training.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
plain = faults()
assert keep_freed_memory()
faults()
print(plain, faults())
"""


def test_large_blocks_are_reused():
    output = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    ).stdout
    plain, kept = map(int, output.split())
    assert kept < 0.1 * plain
