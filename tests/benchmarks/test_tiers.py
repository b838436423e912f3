"""Which Python and which torch the smallest installation is tried with, and when it is skipped."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import tiers

FAILED = RuntimeError("no matching distribution")


@pytest.fixture
def pip(monkeypatch):
    """What pip was asked to install; what is named in `lacks` cannot be had."""
    asked, lacks = [], []

    def install(python, *arguments, seconds=None):
        asked.append(arguments)
        if "slow" in lacks and arguments[-1] == "torch":
            raise subprocess.TimeoutExpired("pip", seconds)
        if any(word in " ".join(arguments) for word in lacks):
            raise FAILED

    monkeypatch.setattr(tiers, "install", install)
    return asked, lacks


@pytest.mark.parametrize("there", [True, False])
def test_the_build_for_cpus_is_looked_for_first(pip, there, monkeypatch):
    monkeypatch.setattr(tiers, "reachable", lambda url: there)
    asked, lacks = pip
    words = "the build for CPUs, from pip's own index"
    assert tiers.install_torch(Path("python")) == words
    assert [each[-1].endswith("+cpu") for each in asked] == [True]
    lacks.append("+cpu")
    asked.clear()
    assert tiers.install_torch(Path("python")).startswith("the default build")
    theirs = [tiers.CPU_INDEX in each for each in asked]
    assert theirs == ([False, True, False] if there else [False, False])
    assert asked[-1][-1] == "torch"


def test_it_fails_where_others_can_be_had_and_is_skipped_where_nothing_can(
    pip, monkeypatch, capsys
):
    monkeypatch.setattr(tiers, "reachable", lambda url: False)
    asked, lacks = pip
    lacks.append("torch")
    with pytest.raises(RuntimeError, match="no matching") as failed:
        tiers.install_torch(Path("python"))
    assert failed.value is FAILED
    lacks.append("safetensors")
    with pytest.raises(tiers.SkippedError, match="no index"):
        tiers.install_torch(Path("python"))
    monkeypatch.setattr(sys, "argv", ["tiers.py", "--cpu", "--tiers", "base"])
    monkeypatch.setattr(tiers, "build_wheel", lambda folder: Path(__file__))
    monkeypatch.setattr(tiers, "make_environment", lambda folder, python: Path(sys.executable))
    monkeypatch.setattr(tiers, "site_packages", lambda python: Path(__file__).parent)
    tiers.main()
    assert capsys.readouterr().out.splitlines()[-1].startswith("SKIPPED: no index of packages")


def test_a_default_build_that_does_not_come_is_skipped(pip, monkeypatch):
    monkeypatch.setattr(tiers, "reachable", lambda url: False)
    pip[1].extend(["+cpu", "slow"])
    with pytest.raises(tiers.SkippedError, match="did not come within 10 minutes"):
        tiers.install_torch(Path("python"))


def test_a_default_build_that_has_no_room_is_skipped(pip, monkeypatch):
    monkeypatch.setattr(tiers, "reachable", lambda url: False)
    monkeypatch.setattr(tiers, "ROOM", 1e18)
    asked, lacks = pip
    lacks.append("+cpu")
    with pytest.raises(tiers.SkippedError, match=r"may not fit into \d+ GB"):
        tiers.install_torch(Path("python"))
    assert ("torch",) not in [each[-1:] for each in asked]


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        tiers.run(["sh", "-c", "sleep 600 & echo $! > child; wait"], tmp_path, seconds=1.0)
    child = int((tmp_path / "child").read_text())

    def gone():
        try:
            state = Path(f"/proc/{child}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return state.rpartition(")")[2].split()[0] == "Z"

    assert any(gone() or time.sleep(0.05) for _ in range(200))  # a killed process takes its time


def test_the_newest_released_python_is_taken(tmp_path, monkeypatch):
    said = {
        "python3.10": "3 10 9 final cpython",
        "python3.13": "3 13 1 final cpython",
        "python3.15": "3 15 0 alpha cpython",
        "python3.14": "3 14 0 final pypy",
        "python3.12": "",
    }
    for name, line in said.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho {line}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert tiers.newest_python() == str(tmp_path / "python3.13")
    managed = tmp_path / ".local/share/uv/python/cpython-3.14.2-linux/bin/python3"
    managed.parent.mkdir(parents=True)
    managed.write_text("#!/bin/sh\necho 3 14 2 final cpython\n")
    managed.chmod(0o755)
    assert tiers.newest_python() == str(managed)
