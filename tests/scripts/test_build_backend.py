import base64
import hashlib
import importlib.util
import sys
import zipfile
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "scripts" / "build_backend.py"


def load():
    spec = importlib.util.spec_from_file_location("build_backend", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def backend(monkeypatch):
    """The backend as pip would call it on a machine without a Fortran compiler or a py3nj wheel."""
    module = load()
    monkeypatch.chdir(PATH.parents[1])
    monkeypatch.setenv("PIP_BUILD_TRACKER", "somewhere")
    for name in ("PIP_NO_DEPS", "FC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module, "_py3nj_needs_no_build", lambda: False)
    monkeypatch.setattr(module, "_arguments_of_pip", lambda: ["pip", "install", ".[dev,ray]"])
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
    assert f"uv pip install --python {sys.executable} {editable}'{Path.cwd()}[dev,ray]'" in said


@pytest.mark.parametrize("asked", ["", ".", ".[view,train]", "--no-deps", "oracle"])
def test_pip_passes_where_escnn_is_not_asked_for(backend, monkeypatch, asked):
    monkeypatch.setattr(backend, "_arguments_of_pip", lambda: ["pip", "install", asked])
    backend._check_installer(editable=False)


def test_pip_passes_without_dependencies(backend, monkeypatch):
    monkeypatch.setattr(backend, "_arguments_of_pip", lambda: ["install", "--no-deps", ".[dev]"])
    backend._check_installer(editable=False)


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


def test_programs_move_into_the_package_and_the_lists_agree(tmp_path):
    wheel, info = tmp_path / "x-1-py3-none-any.whl", "equigrasp-1.dist-info"
    content = {
        "equigrasp/__init__.py": "1",
        "sim/scene/world.py": "2",
        "configs/train.yaml": "3",
        f"{info}/top_level.txt": "configs\nequigrasp\nsim\n",
        f"{info}/RECORD": "old",
    }
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, text in content.items():
            packed.writestr(name, text)
    load().move_programs(wheel)
    with zipfile.ZipFile(wheel) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert files["equigrasp/programs/sim/scene/world.py"] == b"2"
    assert files[f"{info}/top_level.txt"] == b"equigrasp\n"
    assert {name.split("/")[0] for name in files} == {"equigrasp", info}
    rows = [line.split(",") for line in files[f"{info}/RECORD"].decode().splitlines()]
    assert {name for name, *_ in rows} == set(files)
    for name, digest, size in rows:
        if not name.endswith("RECORD"):
            found = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=")
            assert (digest, int(size)) == (f"sha256={found.decode()}", len(files[name]))
