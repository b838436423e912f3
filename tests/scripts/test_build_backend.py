import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "scripts" / "build_backend.py"


@pytest.fixture
def backend(monkeypatch):
    """The backend as pip would call it on a machine without a Fortran compiler or a py3nj wheel."""
    spec = importlib.util.spec_from_file_location("build_backend", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(PATH.parents[1])
    monkeypatch.setenv("PIP_BUILD_TRACKER", "somewhere")
    for name in ("PIP_NO_DEPS", "FC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module, "_py3nj_needs_no_build", lambda: False)
    return module


@pytest.mark.parametrize(
    "hook", ["get_requires_for_build_editable", "get_requires_for_build_wheel"]
)
def test_pip_without_fortran_is_stopped_with_the_mending_line(backend, hook, capsys):
    with pytest.raises(SystemExit) as stopped:
        getattr(backend, hook)()
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    editable = "-e " if "editable" in hook else ""
    assert f"uv pip install --python {sys.executable} {editable}{Path.cwd()}" in said


def test_other_front_ends_pass(backend, monkeypatch):
    monkeypatch.delenv("PIP_BUILD_TRACKER")
    backend._check_installer(editable=True)


@pytest.mark.parametrize("name", ["PIP_NO_DEPS", "FC"])
def test_pip_passes_where_py3nj_is_no_obstacle(backend, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    backend._check_installer(editable=True)


def test_pip_passes_with_a_fortran_compiler(backend, monkeypatch):
    monkeypatch.setattr(backend.shutil, "which", lambda name: name == "gfortran")
    backend._check_installer(editable=True)


def test_pip_passes_with_a_wheel_of_py3nj(backend, monkeypatch):
    monkeypatch.setattr(backend, "_py3nj_needs_no_build", lambda: True)
    backend._check_installer(editable=True)


def test_an_unsupported_python_is_named(backend, monkeypatch, capsys):
    class Later(tuple):
        __slots__ = ()

    monkeypatch.setattr(backend.sys, "version_info", Later((3, 13, 0)))
    with pytest.raises(SystemExit):
        backend._check_installer(editable=True)
    assert "3.10 or 3.11" in capsys.readouterr().err
