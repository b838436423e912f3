"""Results older than their code, told from a made-up history."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

_FILE = Path(__file__).parents[2] / "scripts" / "stale_results.py"
_SPEC = importlib.util.spec_from_file_location("stale_results", _FILE)
stale = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(stale)

FILES = {
    "benchmarks/speed.py": "from shared.steps import a\nfrom shared.parts import b\n",
    "benchmarks/shared/__init__.py": "",
    "benchmarks/shared/parts.py": "from equigrasp.fast import c\n",
    "equigrasp/__init__.py": "",
    "equigrasp/fast.py": "from equigrasp.deep import d\n",
    "equigrasp/deep.py": "d = 1\n",
    "equigrasp/other.py": "",
    "benchmarks/results/speed.json": "{}",
    "benchmarks/results/speed_large.json": "{}",
    "benchmarks/results/unknown.json": "{}",
}


@pytest.fixture
def commit(tmp_path):
    """Writes files and commits them, a day after the commit before."""
    days = iter(range(1, 20))

    def run(**changes):
        for path, text in (FILES if not changes else {}).items() or changes.items():
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        when = f"2026-01-{next(days):02d}T00:00:00+0000"
        who = {f"GIT_{role}_{what}": "a" for role in ("AUTHOR", "COMMITTER") for what in ("NAME",)}
        mail = {f"GIT_{role}_EMAIL": "a@b" for role in ("AUTHOR", "COMMITTER")}
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
            subprocess.run(
                ["git", "-C", str(tmp_path), *command],
                check=True,
                env={**os.environ, **who, **mail, **dates},
            )

    return run


def newer(root):
    return {age.result: age.newer for age in stale.result_ages(root)}


def test_results_are_as_old_as_the_code_that_their_benchmark_names(commit, tmp_path):
    commit()
    assert newer(tmp_path) == {"speed": (), "speed_large": ()}
    commit(**{"equigrasp/other.py": "x = 1", "equigrasp/deep.py": "d = 2"})
    assert newer(tmp_path) == {"speed": (), "speed_large": ()}
    commit(**{"equigrasp/fast.py": "c = 2\n"})
    assert newer(tmp_path)["speed"] == ("equigrasp/fast.py",)
    commit(**{"benchmarks/results/speed.json": "{ }"})
    assert newer(tmp_path) == {"speed": (), "speed_large": ("equigrasp/fast.py",)}
    ages = {age.result: age for age in stale.result_ages(tmp_path)}
    assert ages["speed"].recorded - ages["speed_large"].recorded == 3 * 24 * 3600
    assert ages["speed"].changed == ages["speed_large"].changed


def test_the_programs_of_results_that_no_benchmark_is_named_after_exist():
    for paths in stale.ENTRIES.values():
        assert all((_FILE.parents[1] / path).exists() for path in paths)
