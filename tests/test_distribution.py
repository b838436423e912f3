"""What would be uploaded: a wheel and an sdist that twine accepts, and that hold the same."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import equigrasp
from benchmarks.shared.fresh import BUILD, FILES, build_wheel, run

ROOT = Path(__file__).parents[1]
MORE = ("MANIFEST.in", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile")
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    wheel, source = build_wheel(folder / "wheel"), folder / "source"
    source.mkdir()
    for name in (*FILES, *MORE):
        (source / name).symlink_to(ROOT / name)
    run([sys.executable, "-c", BUILD.replace("build_wheel(", "build_sdist("), str(folder)], source)
    return wheel, next(folder.glob("*.tar.gz"))


def test_twine_accepts_both(built):
    pytest.importorskip("twine", reason="pip install 'equigrasp[dev]'")
    line = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_sdist_makes_the_same_wheel(built, tmp_path):
    wheel, sdist = built
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert (source / "CITATION.cff").is_file()
    run([sys.executable, "-c", BUILD, str(tmp_path)], source)
    names = []
    for path in (wheel, next(tmp_path.glob("*.whl"))):
        with zipfile.ZipFile(path) as archive:
            names.append(sorted(archive.namelist()))
    assert names[0] == names[1]
    assert "equigrasp/weights_data/equiigd_pile.safetensors" in names[0]
    assert "equigrasp/programs/data_gen/packed.py" in names[0]


def test_every_place_names_the_same_version():
    version = equigrasp.__version__
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{version}"\n' in project
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (str(told["version"]), told["license"]) == (version, "Apache-2.0")
    assert {"cff-version", "message", "title", "authors"} <= set(told)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d\S*)\] - (\S+)$", changes, re.MULTILINE)
    assert released[0] == (version, str(told["date-released"]))
