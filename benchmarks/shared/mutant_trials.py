"""Running tests on mutants: in throwaway copies of the tree, with processes forked for each run."""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from shared import mutant_nursery
from shared.mutant_list import Mutant, mutated

FOLDERS = frozenset(
    {
        "benchmarks",
        "configs",
        "data_gen",
        "docs",
        "equigrasp",
        "examples",
        "scripts",
        "sim",
        "tests",
    }
)
"""Folders of the repository that tests may look at; files beside them go along."""
PRELOADED = (
    "pytest",
    "hypothesis",
    "numpy",
    "scipy.stats",
    "scipy.spatial.transform",
    "scipy.ndimage",
    "torch",
    "torch.utils.checkpoint",
    "torch.utils.tensorboard",
    "torchmetrics.functional.classification",
    "lightning.fabric",
    "safetensors.torch",
    "roma",
    "hydra",
    "trimesh",
    "mcubes",
    "diffusers.schedulers.scheduling_ddim",
    "escnn.gspaces",
    "escnn.nn",
    "matplotlib.figure",
)
"""What is imported before the first run; it only saves time."""
LIMIT = 200
"""CPU time of one run, s; a mutant that takes longer hangs, which a suite notices."""
HANGS = mutant_nursery.HANGS
PASSED, FAILED, INTERRUPTED = 0, 1, 2
"""Exit statuses of pytest; it is interrupted where a module cannot be imported."""


def copy_tree(root: Path, target: Path) -> None:
    """Copy what tests need, compiled so that only what changes is compiled again."""
    target.mkdir(parents=True)
    for path in root.iterdir():
        if path.is_file():
            shutil.copy2(path, target / path.name)
        elif path.name in FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__", "results")
            shutil.copytree(path, target / path.name, ignore=ignored)
    # Times of files have whole seconds: their contents tell better what is new.
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(target, quiet=2, invalidation_mode=checked)


class Nursery:
    """The process that forks runs of tests, see `mutant_nursery`.

    Args:
        preloaded: modules to import beforehand.
    """

    def __init__(self, preloaded: Sequence[str] = PRELOADED) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", mutant_nursery.__file__, *preloaded],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, **threads, "MPLBACKEND": "Agg"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()

    def start(self, number: int, root: Path, tests: Sequence[str], seconds: int = LIMIT) -> None:
        """Begin a run of tests on the tree at `root`; its end comes from `ended`."""
        job = {"id": number, "root": str(root), "tests": list(tests), "seconds": seconds}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def ended(self) -> tuple[int, int | str]:
        """Wait for any run to end: its number, and pytest's exit status or "hangs".

        Raises:
            RuntimeError: the process has died.
        """
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs the tests has died; see what it printed")
        told = json.loads(line)
        return told["id"], told["status"]


def run_trials(
    runs: Sequence[tuple[Mutant | None, Sequence[str]]],
    root: Path,
    trees: Sequence[Path],
    nursery: Nursery,
    seconds: int = LIMIT,
) -> Iterator[tuple[int, int | str, Path]]:
    """Run tests on changed trees, as many at once as there are trees.

    Args:
        runs: a mutant, or None for the code as it is, and the tests to run.
        root: the repository, which is only read.
        trees: copies of it; they are as they were whenever a run has ended.
        nursery: forks the runs.
        seconds: CPU time of a run.

    Yields:
        number of a run, its outcome, and the tree whose `tests.log` tells more, one by one.
    """
    free, running, waiting = list(trees), {}, list(enumerate(runs))
    while waiting or running:
        while waiting and free:
            (number, (mutant, tests)), tree = waiting.pop(0), free.pop()
            if mutant is not None:
                (tree / mutant.file).write_text(mutated(mutant, root), encoding="utf-8")
            running[number] = tree
            nursery.start(number, tree, tests, seconds)
        number, status = nursery.ended()
        tree = running.pop(number)
        yield number, status, tree
        mutant = runs[number][0]
        if mutant is not None:
            shutil.copyfile(root / mutant.file, tree / mutant.file)
        free.append(tree)
